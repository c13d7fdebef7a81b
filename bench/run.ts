/**
 * `npm run bench`: naive, ours with and without the capacity loop, and the ceiling, interleaved in one run, on one local
 * stack. Speed is shown as ratios to what ran beside it. `-- --rounds N --records N --json`.
 */
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { DEFAULTS } from '../bridge/config/defaults.js';
import { startLocalStack } from '../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../bridge/observe/progress.js';
import { registerSearchAttributes } from '../bridge/operate/setup.js';
import { SdkTemporalPort } from '../bridge/temporal/sdk-temporal-port.js';
import { median, PARTS, rowOf, type Measured, type Row, type Spread } from './figures.js';
import { measure, type Way } from './measure.js';
import { plainTemporal } from '../test/helpers/temporal.js';
import { wholeNumber } from './arguments.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    records: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = wholeNumber('rounds', values.rounds);
const records = wholeNumber('records', values.records);
const WAYS: readonly Way[] = ['naive', 'ours', 'off', 'ceiling'];
const { maxConcurrentStarts, maxBacklog } = DEFAULTS;

const progress = terminalProgress();
await using stack = await startLocalStack({ ports: 'free', ui: false, progress });
// As `ktb dev` does: ours sets four of them at each start, the others set none.
const temporal = plainTemporal(stack.temporal);
await registerSearchAttributes(temporal);
const machine = await describeMachine();

const results: Record<Way, Measured[]> = { naive: [], ours: [], off: [], ceiling: [] };
for (let round = 1; round <= rounds; round++) {
  // Another order in each round: what comes first or last has no advantage by it.
  for (const way of WAYS.map((_, index) => WAYS[(index + round) % WAYS.length]!)) {
    const step = progress.step(`round ${round} of ${rounds}: ${way}, ${records} records`);
    const measured = await measure(way, { stack, records, concurrency: maxConcurrentStarts });
    results[way].push(measured);
    step.done(`${measured.recordsPerSecond.toFixed(1)} records/s`);
  }
}
report();

function report(): void {
  const rows = Object.fromEntries(WAYS.map((way) => [way, rowOf(results[way])])) as Record<Way, Row>;
  const ratioTo = (other: Way) =>
    spreadOf(
      results.ours.map((one, round) => one.recordsPerSecond / results[other][round]!.recordsPerSecond),
    );
  const byMedians = rows.ours.recordsPerSecond.median / rows.ceiling.recordsPerSecond.median;
  const ratios = { ceiling: ratioTo('ceiling'), naive: ratioTo('naive'), off: ratioTo('off') };
  const loopByMedians = rows.ours.recordsPerSecond.median / rows.off.recordsPerSecond.median;

  const out = (line = '') => void process.stdout.write(`${line}\n`);
  const three = ({ min, median: middle, max }: Spread, digits: number) =>
    [min, middle, max].map((figure) => figure.toFixed(digits).padStart(9)).join('');
  out(`\n${''.padEnd(30)}${['min', 'median', 'max'].map((name) => name.padStart(9)).join('')}`);
  for (const way of WAYS) out(`${`${way}: records/s`.padEnd(30)}${three(rows[way].recordsPerSecond, 1)}`);
  for (const way of WAYS) out(`${`${way}: CPU ms a record`.padEnd(30)}${three(rows[way].cpuMsPerRecord, 1)}`);
  out(`${'ours / ceiling, each round'.padEnd(30)}${three(ratios.ceiling, 3)}`);
  out(`${'ours / naive, each round'.padEnd(30)}${three(ratios.naive, 3)}`);
  out(`${'ours / without the loop'.padEnd(30)}${three(ratios.off, 3)}`);
  const messages = results.ours.map((one) => one.loopMessagesPerSecond);
  out(`${'ours: loop messages a second'.padEnd(30)}${three(spreadOf(messages), 2)}`);
  out(`\nours / without the loop by medians: ${loopByMedians.toFixed(3)}`);
  out(`ours / ceiling by medians: ${byMedians.toFixed(3)}`);
  out(`\nCPU ms a record${PARTS.map((part) => part.padStart(10)).join('')}`);
  for (const way of WAYS)
    out(way.padEnd(15) + PARTS.map((part) => rows[way].cpuMsByPart[part].toFixed(2).padStart(10)).join(''));
  out(
    `\n${records} records, ${rounds} rounds; maxConcurrentStarts ${maxConcurrentStarts}, maxBacklog ${maxBacklog}; ${JSON.stringify(machine)}`,
  );
  if (!values.json) return;
  const whole = {
    rounds,
    records,
    rows,
    ratioToCeiling: ratios.ceiling.median,
    ratioToCeilingByMedians: byMedians,
    ratioToNaive: ratios.naive.median,
    ratioToWithoutLoop: ratios.off.median,
    ratioToWithoutLoopByMedians: loopByMedians,
    ratios,
    settings: { maxConcurrentStarts, maxBacklog },
    machine,
    perRound: results,
  };
  out(JSON.stringify(whole));
}

function spreadOf(figures: readonly number[]): Spread {
  return { min: Math.min(...figures), median: median(figures), max: Math.max(...figures) };
}

async function describeMachine(): Promise<Record<string, unknown>> {
  const port = new SdkTemporalPort(temporal);
  const { serverVersion } = await port.capabilities();
  await port.close();
  const version = (name: string) =>
    (
      JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as {
        version: string;
      }
    ).version;
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model,
    loadBefore: loadavg().map((load) => Math.round(load * 10) / 10),
    node: process.version,
    temporalServer: serverVersion,
    temporalSdk: version('@temporalio/client'),
    kafkajs: version('kafkajs'),
  };
}
