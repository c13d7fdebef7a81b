import { committedOffsets, createTopic, logEnds, readAll } from '../../helpers/kafka.js';
import { unique, type TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { valueHash } from '../handlers-record.js';
import { killLoop, type Strike } from '../kill-loop.js';
import type { StartedProcess } from '../process.js';
import { createScene, keyed, type Scene } from '../scene.js';
import { verdict, type Verdict } from '../verdict.js';

export interface ChainOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly seed: number;
  readonly records: number;
  readonly partitions: number;
  /** SIGKILLs of a bridge, and of a worker, of both scenes together. */
  readonly bridgeKills: number;
  readonly workerKills: number;
  readonly killEveryMs: readonly [number, number];
  readonly timeoutMs: number;
  readonly log?: (line: string) => void;
}

export interface ChainReport {
  readonly seed: number;
  readonly kills: readonly Strike[];
  /** Of the records that were produced. */
  readonly first: Verdict;
  /** Of the events that the first scene's workflows published: each has exactly one execution. */
  readonly second: Verdict;
  /** Events in the topic between, beyond one for each key: publishes whose answer was lost. */
  readonly repeated: number;
  /** Records of whose transaction only a part is to be seen. */
  readonly torn: readonly string[];
  readonly seconds: number;
}

/** What each record's workflow publishes: one event alone, and two in one transaction. */
const NAMES = ['alone', 'left', 'right'] as const;

const workflows = (topic: string) => `
import { proxyActivities } from '@temporalio/workflow';
import { publish, publishAll } from 'kafka-temporal-bridge/workflow';
const { handle } = proxyActivities({ startToCloseTimeout: '30s', heartbeatTimeout: '10s', retry: { initialInterval: '100ms' } });
export async function work(event, record) {
  await publish('${topic}', { n: event.n, name: 'alone' }, { name: 'alone', key: String(event.n) });
  await handle(event, record);
  await publishAll(['left', 'right'].map((name) => ({ topic: '${topic}', event: { n: event.n, name }, name, key: name + event.n })));
}`;

/** Two bridges, a topic between, while bridges and workers of both are killed. */
export async function chain(options: ChainOptions): Promise<ChainReport> {
  const { seed, records, partitions, timeoutMs, stack, log = () => undefined } = options;
  const begun = Date.now();
  const between = unique('between');
  const onStack = stack === undefined ? {} : { stack };
  await using first = await createScene({ partitions, workflows: workflows(between), ...onStack });
  const { brokers } = first.stack.kafka;
  await createTopic(brokers, between, { partitions });
  await using second = await createScene({ topic: between, ...onStack });

  let started = 0;
  const running = { bridge: new Map<StartedProcess, Scene>(), worker: new Map<StartedProcess, Scene>() };
  const start = (kind: 'bridge' | 'worker', scene: Scene) =>
    void running[kind].set(scene[kind](`${kind}-${++started}`), scene);
  for (const scene of [first, second]) {
    start('bridge', scene);
    start('worker', scene);
  }
  const produced = Array.from({ length: records }, (_, n) => ({ key: `k${n}`, event: { n } }));
  await first.produce(produced.map(({ key, event }, n) => keyed(key, event, n % partitions)));
  // Strikes hit work, not the start of processes.
  await until(() => second.handled().calls.length, {
    what: 'the first calls behind the topic between',
    timeoutMs,
    accept: (calls) => calls >= 5,
  });
  const strike = (kind: 'bridge' | 'worker', times: number, seedOf: number) =>
    killLoop({
      seed: seedOf,
      everyMs: options.killEveryMs,
      times,
      targets: () => [...running[kind].keys()],
      revive: (victim) => {
        const scene = running[kind].get(victim)!;
        running[kind].delete(victim);
        start(kind, scene);
      },
      onStrike: ({ victim, atMs }) => log(`killed ${victim} after ${atMs} ms`),
    });
  const loops = [
    strike('bridge', options.bridgeKills, seed),
    strike('worker', options.workerKills, seed + 1),
  ];
  const kills = (await Promise.all(loops.map((loop) => loop.done))).flat();

  const ofFirst = await verdictOf(first, produced, timeoutMs);
  const events = produced.flatMap(({ key, event }) =>
    NAMES.map((name) => ({
      key: `record/${first.name}/work/${key}/${name}`,
      event: { n: event.n, name },
    })),
  );
  const ofSecond = await verdictOf(second, events, timeoutMs);
  const published = await readAll(brokers, between);
  const seen = new Set(published.map(({ headers }) => String(headers['idempotency-key'])));
  const has = (key: string, name: string) => seen.has(`record/${first.name}/work/${key}/${name}`);
  return {
    seed,
    kills,
    first: ofFirst,
    second: ofSecond,
    repeated: published.length - seen.size,
    torn: produced.map(({ key }) => key).filter((key) => has(key, 'left') !== has(key, 'right')),
    seconds: Math.round((Date.now() - begun) / 1000),
  };
}

async function verdictOf(
  scene: Scene,
  produced: readonly { readonly key: string; readonly event: object }[],
  timeoutMs: number,
): Promise<Verdict> {
  const executions = await until(() => scene.executions(), {
    what: `${produced.length} executions to have closed`,
    timeoutMs,
    everyMs: 1_000,
    accept: (seen) => seen.length >= produced.length && seen.every(({ status }) => status.name !== 'RUNNING'),
  });
  await scene.committedToEnd(timeoutMs);
  const { brokers } = scene.stack.kafka;
  return verdict({
    produced: produced.map(({ key, event }) => ({ key, valueHash: valueHash(event) })),
    handled: scene.handled().calls,
    executions,
    keyOf: ({ workflowId }) => workflowId.slice(`${scene.name}:`.length),
    committed: await committedOffsets(brokers, scene.groupId, scene.topic),
    logEnd: await logEnds(brokers, scene.topic),
  });
}
