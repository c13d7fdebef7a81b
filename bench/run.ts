/**
 * `npm run bench`: naive, ours and the ceiling, interleaved in one run, on one local stack. Speed is shown as ratios to
 * what ran beside it. `-- --rounds N --records N --json`.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { startLocalStack } from '../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../bridge/observe/progress.js';
import { cpuSeconds } from '../test/faults/process.js';
import { createScene, keyed, type Scene } from '../test/faults/scene.js';
import { describeStack, STACK_VARIABLE } from '../test/helpers/stack.js';
import { until } from '../test/helpers/until.js';
import { median, type Row, rowOf } from './figures.js';
import { startNaive } from './naive.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    records: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const records = Number(values.records);
const PARTITIONS = 8;
/** As many starts at a time as the bridge has under way. */
const CONCURRENCY = 100;
const PADDING = 'x'.repeat(160);

type Way = 'naive' | 'ours' | 'ceiling';
const WAYS: readonly Way[] = ['naive', 'ours', 'ceiling'];

interface Measured {
  readonly recordsPerSecond: number;
  readonly cpuMsPerRecord: number;
}

const progress = terminalProgress();
await using stack = await startLocalStack({ ports: 'free', ui: false, progress });
process.env[STACK_VARIABLE] = describeStack(stack);

const results: Record<Way, Measured[]> = { naive: [], ours: [], ceiling: [] };
for (let round = 1; round <= rounds; round++) {
  // Another order in each round: what comes first or last has no advantage by it.
  for (const way of WAYS.map((_, index) => WAYS[(index + round) % WAYS.length]!)) {
    const step = progress.step(`round ${round} of ${rounds}: ${way}, ${records} records`);
    const measured = await measure(way);
    results[way].push(measured);
    step.done(`${measured.recordsPerSecond.toFixed(1)} records/s`);
  }
}
report();

/** From the moment that the way is let go until the last handler call has ended. */
async function measure(way: Way): Promise<Measured> {
  await using scene = await createScene({ partitions: PARTITIONS });
  const worker = scene.worker();
  await worker.waitForOutput(/"msg":"polling"/, 120_000);
  // The worker's caches are warm, and its pollers are there: not what is compared.
  await startAll(scene, Array.from({ length: 50 }, (_, n) => `warm-${n}`));
  await ended(scene, 50);
  const keys = Array.from({ length: records }, (_, n) => `k${n}`);
  if (way !== 'ceiling') {
    await scene.produce(keys.map((key, n) => ({ ...keyed(key, {}, n % PARTITIONS), value: JSON.stringify({ n, padding: PADDING }) })));
  }
  const servers = [stack.kafka.server!, stack.temporal.server!];
  const usedBefore = servers.reduce((sum, one) => sum + cpuSeconds(one.pid), cpuSeconds(worker.pid));
  let feeder: { readonly cpu: () => number; readonly stop: () => Promise<unknown> } | undefined;
  let own = process.cpuUsage();
  let begun: number;
  if (way === 'ours') {
    const bridge = scene.bridge('bridge', ['--log-level', 'info']);
    feeder = { cpu: () => cpuSeconds(bridge.pid), stop: () => bridge.term() };
    // Both Kafka ways begin when their group has been joined: starting a process is not what is compared.
    await bridge.waitForOutput(/joined the group/, 120_000);
    begun = performance.now();
  } else if (way === 'naive') {
    const naive = await startNaive(scene);
    feeder = { cpu: () => seconds(process.cpuUsage(own)), stop: naive.stop };
    own = process.cpuUsage();
    begun = performance.now();
  } else {
    own = process.cpuUsage();
    begun = performance.now();
    await startAll(scene, keys);
    feeder = { cpu: () => seconds(process.cpuUsage(own)), stop: () => Promise.resolve() };
  }
  await ended(scene, records + 50);
  const last = scene.handled().calls.reduce((at, call) => Math.max(at, call.endedAt ?? 0), 0);
  const took = (performance.timeOrigin + begun - last) / -1000;
  const used = servers.reduce((sum, one) => sum + cpuSeconds(one.pid), cpuSeconds(worker.pid)) - usedBefore + feeder.cpu();
  await feeder.stop();
  return { recordsPerSecond: records / took, cpuMsPerRecord: (used * 1000) / records };
}

/** Starts without Kafka: what server and worker can take at the most. */
async function startAll(scene: Scene, keys: readonly string[]): Promise<void> {
  const connection = await Connection.connect({ address: scene.stack.temporal.address });
  const client = new Client({ connection, namespace: scene.stack.temporal.namespace });
  const waiting = [...keys];
  const one = async (): Promise<void> => {
    for (let key = waiting.shift(); key !== undefined; key = waiting.shift()) {
      await client.workflow.start('work', {
        workflowId: `${scene.name}:${key}`,
        taskQueue: scene.taskQueue,
        args: [{ n: 0, padding: PADDING }, { topic: scene.topic, partition: 0, offset: '0', key, headers: {}, timestamp: 0, eventType: null, idempotencyKey: key }],
      });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, one));
  await connection.close();
}

async function ended(scene: Scene, count: number): Promise<void> {
  await until(() => scene.handled().calls.filter((call) => call.outcome === 'ended').length, {
    what: `${count} handler calls to end`,
    timeoutMs: 600_000,
    everyMs: 200,
    accept: (seen) => seen >= count,
  });
}

function seconds(usage: NodeJS.CpuUsage): number {
  return (usage.user + usage.system) / 1e6;
}

function report(): void {
  const rows: Record<string, Row> = {};
  for (const way of WAYS) {
    rows[way] = {
      recordsPerSecond: rowOf(results[way].map((one) => one.recordsPerSecond)),
      cpuMsPerRecord: rowOf(results[way].map((one) => one.cpuMsPerRecord)),
    };
  }
  const rate = (way: Way, round: number) => results[way][round]!.recordsPerSecond;
  const perRound = Array.from({ length: rounds }, (_, round) => round);
  const ratioToCeiling = median(perRound.map((round) => rate('ours', round) / rate('ceiling', round)));
  const ratioToNaive = median(perRound.map((round) => rate('ours', round) / rate('naive', round)));
  const byMedians = rows['ours']!.recordsPerSecond.median / rows['ceiling']!.recordsPerSecond.median;
  const line = (name: string, { min, median: middle, max }: Row['recordsPerSecond']) =>
    `${name.padEnd(28)}${[min, middle, max].map((figure) => figure.toFixed(1).padStart(10)).join('')}\n`;
  process.stdout.write(`\n${''.padEnd(28)}${['min', 'median', 'max'].map((name) => name.padStart(10)).join('')}\n`);
  for (const [name, row] of Object.entries(rows)) {
    process.stdout.write(line(`${name}: records/s`, row.recordsPerSecond));
    process.stdout.write(line(`${name}: CPU ms a record`, row.cpuMsPerRecord));
  }
  process.stdout.write(
    `\nours / ceiling: ${byMedians.toFixed(3)} by medians, ${ratioToCeiling.toFixed(3)} round by round\n` +
      `ours / naive: ${ratioToNaive.toFixed(2)} round by round\n`,
  );
  if (values.json) {
    const machine = { cores: cpus().length, cpu: cpus()[0]?.model, node: process.version };
    process.stdout.write(`${JSON.stringify({ rounds, records, rows, ratioToCeiling, ratioToCeilingByMedians: byMedians, ratioToNaive, machine })}\n`);
  }
}
