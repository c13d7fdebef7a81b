import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { delay } from '../../../bridge/timing.js';
import { createScene, type Scene } from '../scene.js';

export interface FloodOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  /** Records of low priority a second. */
  readonly lowPerSecond: number;
  /** Activity slots of the one worker: with handlers of 50 ms each takes at most 20 a second. */
  readonly slots: number;
  /** Records of high priority on a partition of their own, and as many amid the low ones: one of each a second. */
  readonly seconds: number;
  readonly timeoutMs: number;
}

export interface FloodReport {
  /** Records of low priority that were handled while the flood lasted: what the worker could take. */
  readonly lowHandled: number;
  readonly lowSent: number;
  /** From the append to the begin of the handler, ms, ascending: high priority on a partition of its own. */
  readonly own: readonly number[];
  /** From the fetch to the begin of the handler: high priority amid the flood. */
  readonly mixed: readonly number[];
  /** How many of low priority began meanwhile, ascending, of all of high priority. */
  readonly passed: readonly number[];
}

const PARTITIONS = 4;
const OWN = PARTITIONS - 1;
const EVERY_MS = 200;

const ROUTES = `[{ id: 'work', topic: TOPIC, activity: 'handle', priority: 'low' }]`;

/** A flood of low priority, far beyond what the worker can take, and a few records of high priority in it. */
export async function flood(options: FloodOptions): Promise<FloodReport> {
  const { lowPerSecond, slots, seconds, timeoutMs } = options;
  await using scene = await createScene({
    ...(options.stack === undefined ? {} : { stack: options.stack }),
    partitions: PARTITIONS,
    routes: ROUTES,
    config: `worker: { activities: './activities/index.ts', ownOptions: { maxConcurrentActivityTaskExecutions: ${slots} } },`,
  });
  const worker = scene.worker();
  const bridge = scene.bridge();
  await Promise.all([
    worker.waitForOutput(/"msg":"polling"/, timeoutMs),
    bridge.waitForOutput(/joined the group/, timeoutMs),
  ]);
  const sentAt = new Map<string, number>();
  const begun = performance.now();
  let [low, high] = [0, 0];
  const elapsed = () => (performance.now() - begun) / 1000;
  while (elapsed() < seconds) {
    await delay(EVERY_MS, AbortSignal.timeout(timeoutMs));
    const batch: Parameters<Scene['produce']>[0][number][] = [];
    for (; low < elapsed() * lowPerSecond; low++) batch.push(message(`low${low}`, low % OWN));
    // After a while, so that the flood is there before.
    for (; high < elapsed() - 5; high++) {
      batch.push(message(`own${high}`, OWN, 'high'), message(`mixed${high}`, high % OWN, 'high'));
      for (const key of [`own${high}`, `mixed${high}`]) sentAt.set(key, Date.now());
    }
    await scene.produce(batch);
  }
  const lowHandled = scene.handled().calls.filter(({ key }) => key.startsWith('low')).length;
  const calls = await until(() => new Map(scene.handled().calls.map((call) => [call.key, call])), {
    what: 'every record of high priority to be handled',
    timeoutMs,
    everyMs: 500,
    accept: (seen) => [...sentAt.keys()].every((key) => seen.has(key)),
  });
  const fetched = new Map(
    (await scene.executions()).map((one) => [
      one.workflowId,
      one.memo?.['processedAt'] as number | undefined,
    ]),
  );
  const lowBegan = scene
    .handled()
    .calls.filter(({ key }) => key.startsWith('low'))
    .map(({ begunAt }) => begunAt);
  const from = (key: string) =>
    key.startsWith('own') ? sentAt.get(key)! : (fetched.get(`${scene.name}:${key}`) ?? NaN);
  const waits = (prefix: string) =>
    [...sentAt.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => calls.get(key)!.begunAt - from(key))
      .sort((a, b) => a - b);
  return {
    lowHandled,
    lowSent: low,
    own: waits('own'),
    mixed: waits('mixed'),
    passed: [...sentAt.keys()]
      .map((key) => lowBegan.filter((at) => at > from(key) && at < calls.get(key)!.begunAt).length)
      .sort((a, b) => a - b),
  };
}

function message(key: string, partition: number, priority?: string) {
  return {
    partition,
    key,
    value: '{"sleepMs":50}',
    headers: { 'idempotency-key': key, ...(priority === undefined ? {} : { priority }) },
  };
}

/** The smallest figure that this share of all does not exceed. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)] ?? NaN;
}
