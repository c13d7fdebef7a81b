/**
 * `npm run bench:overload`: a worker that becomes slow and fast again under a constant load, with either algorithm and a
 * fixed limit, one after the other on one local stack. Writes docs/overload.svg. `-- --json` ends with one line of JSON.
 *
 *     npm run bench:overload -- --per-second 15 --slots 8 --slow-seconds 40 --only aimd
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startLocalStack } from '../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../bridge/observe/progress.js';
import { registerSearchAttributes } from '../bridge/operate/setup.js';
import { overload, type OverloadReport } from '../test/faults/scenarios/overload.js';
import { chartOf } from './overload/chart.js';
import { plainTemporal } from '../test/helpers/temporal.js';
import { wholeNumber } from './arguments.js';

const ALL = ['aimd', 'gradient', 'fixed'] as const;
const { values } = parseArgs({
  options: {
    'per-second': { type: 'string', default: '15' },
    slots: { type: 'string', default: '8' },
    'fast-seconds': { type: 'string', default: '20' },
    'slow-seconds': { type: 'string', default: '45' },
    only: { type: 'string' },
    svg: { type: 'string', default: fileURLToPath(new URL('../docs/overload.svg', import.meta.url)) },
    json: { type: 'boolean', default: false },
  },
});
const limits = ALL.filter((one) => values.only === undefined || values.only === one);
if (limits.length === 0)
  throw new Error(`Expected --only to be one of ${ALL.join(', ')}, got ${values.only}`);

const progress = terminalProgress();
const reports: OverloadReport[] = [];
{
  await using stack = await startLocalStack({ ports: 'free', ui: false, progress });
  await registerSearchAttributes(plainTemporal(stack.temporal));
  for (const limit of limits) {
    const step = progress.step(`overload with limit '${limit}'`);
    const report = await overload({
      stack,
      limit,
      perSecond: wholeNumber('per-second', values['per-second']),
      slots: wholeNumber('slots', values.slots),
      fastSeconds: wholeNumber('fast-seconds', values['fast-seconds']),
      slowSeconds: wholeNumber('slow-seconds', values['slow-seconds']),
      timeoutMs: 600_000,
      log: (line) => step.update(line),
    });
    reports.push(report);
    step.done(`back after ${report.recoverySeconds.toFixed(1)} s`);
  }
}
writeFileSync(values.svg, `${chartOf(reports)}\n`);

const rows: [string, (report: OverloadReport) => string][] = [
  ['over the limit, at most', ({ maxOverLimit }) => `${(maxOverLimit * 100).toFixed(1)} %`],
  ['lowest limit while slow', ({ lowest }) => String(lowest)],
  ['back at 100 after', ({ recoverySeconds }) => `${recoverySeconds.toFixed(1)} s`],
  ['high priority waits, p99', ({ highWaitP99Ms }) => `${highWaitP99Ms.toFixed(0)} ms`],
  ['lag, at most', ({ lag }) => String(Math.max(0, ...lag.map(([, value]) => value)))],
  ['in work, at most', ({ inWork }) => String(Math.max(0, ...inWork.map(([, value]) => value)))],
  ['lost, twice', ({ lost, twice }) => `${lost}, ${twice}`],
];
const out = (line: string) => void process.stdout.write(`${line}\n`);
out(`\n${''.padEnd(28)}${reports.map(({ limit }) => limit.padStart(12)).join('')}`);
for (const [name, of] of rows)
  out(`${name.padEnd(28)}${reports.map((report) => of(report).padStart(12)).join('')}`);
out(`\n${values.svg}`);
if (values.json) {
  const figures = ({ maxOverLimit, recoverySeconds, highWaitP99Ms, lost, twice }: OverloadReport) => ({
    maxOverLimit: Math.round(maxOverLimit * 1000) / 1000,
    recoverySeconds: Math.round(recoverySeconds * 10) / 10,
    highWaitP99Ms: Math.round(highWaitP99Ms),
    lost,
    twice,
  });
  // The first stands for the product as it is by default; the others are beside it.
  const others = Object.fromEntries(reports.slice(1).map((report) => [report.limit, figures(report)]));
  out(JSON.stringify({ limit: reports[0]!.limit, ...figures(reports[0]!), others }));
}
