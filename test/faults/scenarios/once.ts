import { countsOf, createScene, keyed, type WorkEvent } from '../scene.js';
import { killLoop, seededRandom, type Strike } from '../kill-loop.js';
import { valueHash } from '../handlers-record.js';
import { verdict, type Verdict } from '../verdict.js';
import { committedOffsets, logEnds } from '../../helpers/kafka.js';
import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import type { StartedProcess } from '../process.js';

export interface OnceOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly seed: number;
  readonly records: number;
  /** The share of records whose key has been there before. */
  readonly duplicates: number;
  readonly partitions: number;
  /** SIGKILLs of a bridge, and of a worker. */
  readonly bridgeKills: number;
  readonly workerKills: number;
  readonly killEveryMs: readonly [number, number];
  readonly timeoutMs: number;
  readonly log?: (line: string) => void;
}

export interface OnceReport {
  readonly seed: number;
  readonly records: number;
  readonly kills: readonly Strike[];
  readonly secondBridge: 'joined and left';
  readonly verdict: Verdict;
  /** Handler calls for the duplicates, beyond the one that each key has. */
  readonly callsOfDuplicates: number;
  readonly seconds: number;
}

/**
 * Records, some of them duplicates by key, while bridges are killed and a second one joins and leaves. Every unique key
 * must have exactly one execution, and the group must end at the end of the log.
 */
export async function once(options: OnceOptions): Promise<OnceReport> {
  const { seed, records, partitions, log = () => undefined } = options;
  const begun = Date.now();
  const random = seededRandom(seed);
  await using scene = await createScene({
    partitions,
    ...(options.stack === undefined ? {} : { stack: options.stack }),
  });
  const produced: { key: string; event: WorkEvent; partition: number }[] = [];
  const unique: { key: string; event: WorkEvent; partition: number }[] = [];
  for (let n = 0; n < records; n++) {
    const again =
      unique.length > 0 && random() < options.duplicates
        ? unique[Math.floor(random() * unique.length)]
        : undefined;
    const one = again ?? { key: `k${n}`, event: { n }, partition: n % partitions };
    if (!again) unique.push(one);
    produced.push(one);
  }
  const bridges = new Set<StartedProcess>();
  const workers = new Set<StartedProcess>();
  let started = 0;
  const startBridge = () => void bridges.add(scene.bridge(`bridge-${++started}`));
  const startWorker = () => void workers.add(scene.worker(`worker-${++started}`));
  startBridge();
  startWorker();
  startWorker();

  // Half is there before; the other half comes when the second bridge has joined, so that it has work.
  const half = produced.slice(0, records / 2);
  await scene.produce(half.map((one) => keyed(one.key, one.event, one.partition)));
  // Strikes hit work, not the start of processes.
  await until(() => scene.handled().calls.length, {
    what: 'the first handler calls',
    timeoutMs: 120_000,
    accept: (calls) => calls >= 10,
  });

  const strike = (seedOf: number, among: Set<StartedProcess>, revive: () => void, times: number) =>
    killLoop({
      seed: seedOf,
      everyMs: options.killEveryMs,
      times,
      targets: () => [...among],
      revive: (victim) => {
        among.delete(victim);
        revive();
      },
      onStrike: ({ victim, atMs }) => log(`killed ${victim} after ${atMs} ms`),
    });
  const loops = [
    strike(seed, bridges, startBridge, options.bridgeKills),
    strike(seed + 1, workers, startWorker, options.workerKills),
  ];
  // A second bridge joins, works beside the first, and leaves in order.
  const second = scene.bridge('bridge-second');
  await second.waitForOutput(/"gained":\["/, 120_000);
  const feeding = (async () => {
    for (let from = half.length; from < records; from += 200) {
      const slice = produced.slice(from, from + 200);
      await scene.produce(slice.map((one) => keyed(one.key, one.event, one.partition)));
    }
  })();
  await until(() => Object.values(countsOf(second)).reduce((sum, count) => sum + count, 0), {
    what: 'the second bridge to settle records',
    timeoutMs: options.timeoutMs,
  });
  await second.term();
  log('the second bridge joined and left');

  const kills = (await Promise.all(loops.map((loop) => loop.done))).flat();
  await feeding;
  await scene.committedToEnd(options.timeoutMs);
  await until(async () => scene.executions('ExecutionStatus = "Running"'), {
    what: 'every execution to close',
    timeoutMs: options.timeoutMs,
    everyMs: 1_000,
    accept: (running) => running.length === 0,
  });
  const prefix = `${scene.name}:`;
  // Visibility lags: what was started is seen in the end, and anything beyond would be too.
  const executions = await until(() => scene.executions(), {
    what: `visibility to list ${unique.length} executions`,
    timeoutMs: 60_000,
    everyMs: 500,
    accept: (seen) => seen.length >= unique.length,
  });
  const { calls } = scene.handled();
  const { brokers } = scene.stack.kafka;
  const result = verdict({
    produced: produced.map(({ key, event }) => ({ key, valueHash: valueHash(event) })),
    handled: calls,
    executions,
    keyOf: ({ workflowId }) => (workflowId.startsWith(prefix) ? workflowId.slice(prefix.length) : workflowId),
    committed: await committedOffsets(brokers, scene.groupId, scene.topic),
    logEnd: await logEnds(brokers, scene.topic),
  });
  const firstOf = new Map<string, string>();
  for (const call of calls) if (!firstOf.has(call.key)) firstOf.set(call.key, call.workflowId);
  return {
    seed,
    records,
    kills,
    secondBridge: 'joined and left',
    verdict: result,
    callsOfDuplicates: calls.filter((call) => firstOf.get(call.key) !== call.workflowId).length,
    seconds: Math.round((Date.now() - begun) / 1000),
  };
}
