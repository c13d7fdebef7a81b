import { init } from 'echarts';
import type { OverloadReport } from '../../test/faults/scenarios/overload.js';

const ROWS = [
  { name: 'arrivals / s', of: (report: OverloadReport) => [report.arrivals] },
  { name: 'limit, and in work', of: (report: OverloadReport) => [report.limits, report.inWork] },
  { name: 'response, ms', of: (report: OverloadReport) => [report.response] },
  { name: 'lag, records', of: (report: OverloadReport) => [report.lag] },
] as const;
const COLOURS = ['#1f4e9c', '#d9822b'];
const [COLUMN_WIDTH, ROW_HEIGHT, LEFT, TOP] = [340, 150, 60, 70];

/** All reports side by side, a column each, with the same scales: SVG text. */
export function chartOf(reports: readonly OverloadReport[]): string {
  const width = LEFT + reports.length * COLUMN_WIDTH;
  const height = TOP + ROWS.length * ROW_HEIGHT + 20;
  const seconds = Math.max(...reports.flatMap(({ lag }) => lag.map(([at]) => at)));
  const cells = ROWS.flatMap((row, y) => reports.map((report, x) => ({ row, y, report, x })));
  const highest = ROWS.map(({ of }) =>
    Math.max(1, ...reports.flatMap((report) => of(report).flat()).map(([, value]) => value)),
  );
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: [
      ...reports.map(({ limit }, x) => ({
        text: `limit: '${limit}'`,
        left: LEFT + x * COLUMN_WIDTH,
        top: 10,
        textStyle: { fontSize: 14 },
      })),
      ...ROWS.map(({ name }, y) => ({
        text: name,
        left: LEFT,
        top: TOP + y * ROW_HEIGHT - 22,
        textStyle: { fontSize: 11, fontWeight: 'normal' as const },
      })),
    ],
    grid: cells.map(({ x, y }) => ({
      left: LEFT + x * COLUMN_WIDTH,
      top: TOP + y * ROW_HEIGHT,
      width: COLUMN_WIDTH - 50,
      height: ROW_HEIGHT - 55,
    })),
    xAxis: cells.map(({ y }, gridIndex) => ({
      gridIndex,
      type: 'value' as const,
      min: 0,
      max: Math.ceil(seconds / 10) * 10,
      splitLine: { show: false },
      axisLabel: { show: y === ROWS.length - 1, formatter: '{value} s' },
    })),
    yAxis: cells.map(({ y }, gridIndex) => ({
      gridIndex,
      type: 'value' as const,
      min: 0,
      max: nice(highest[y]!),
      splitNumber: 2,
    })),
    series: cells.flatMap(({ row, report }, index) =>
      row.of(report).map((points, line) => ({
        type: 'line' as const,
        xAxisIndex: index,
        yAxisIndex: index,
        showSymbol: false,
        step: row.name.startsWith('limit') ? ('end' as const) : false,
        lineStyle: { width: line === 0 ? 1.6 : 1 },
        color: COLOURS[line]!,
        data: points.map(([at, value]) => [Math.round(at * 10) / 10, Math.round(value * 10) / 10]),
        ...(line > 0
          ? {}
          : {
              markArea: {
                silent: true,
                itemStyle: { color: 'rgba(200, 60, 60, 0.10)' },
                data: [[{ xAxis: report.slowAt }, { xAxis: report.fastAt }]] as [
                  { xAxis: number },
                  { xAxis: number },
                ][],
              },
            }),
      })),
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** The next round number. */
function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return Math.ceil(value / power / 0.5) * 0.5 * power;
}
