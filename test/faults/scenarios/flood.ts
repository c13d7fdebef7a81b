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
  /** How long at least. One record of high priority a second comes on a partition of its own, and every twentieth of the flood is one. */
  readonly seconds: number;
  readonly timeoutMs: number;
}

export interface FloodReport {
  /** Records of low priority that were handled while the flood lasted: what the worker could take. */
  readonly lowHandled: number;
  readonly lowSent: number;
  /** From the append to the begin of the handler, ms, ascending: high priority on a partition of its own. */
  readonly own: readonly number[];
  /** From the fetch to the begin of the handler: high priority amid the flood, as far as it was fetched while that lasted. */
  readonly mixed: readonly number[];
  /** How many of low priority began meanwhile, ascending, of all of high priority. */
  readonly passed: readonly number[];
}

const PARTITIONS = 4;
const OWN = PARTITIONS - 1;
const EVERY_MS = 200;
/** Of the flood: one of so many is of high priority, when what the bridge holds is low. */
const EVERY_SO_MANY = 20;
const FIRST = 500;
/** So many of these are to be handled while it lasts, however slow the machine is. */
const ENOUGH = 10;

const ROUTES = `[{ id: 'work', topic: TOPIC, activity: 'handle', priority: 'low' }]`;

/** A flood of low priority, far beyond what the worker can take, and a few records of high priority in it. */
export async function flood(options: FloodOptions): Promise<FloodReport> {
  const { lowPerSecond, slots, seconds, timeoutMs } = options;
  await using scene = await createScene({
    ...(options.stack === undefined ? {} : { stack: options.stack }),
    partitions: PARTITIONS,
    routes: ROUTES,
    config: `buffer: { records: 200 }, maxPollRecords: 20, worker: { activities: './activities/index.ts', ownOptions: { maxConcurrentActivityTaskExecutions: ${slots} } },`,
  });
  const worker = scene.worker();
  const bridge = scene.bridge();
  await Promise.all([
    worker.waitForOutput(/"msg":"polling"/, timeoutMs),
    bridge.waitForOutput(/joined the group/, timeoutMs),
  ]);
  const sentAt = new Map<string, number>();
  const begun = performance.now();
  let [sent, own] = [0, 0];
  const elapsed = () => (performance.now() - begun) / 1000;
  const amid = () => scene.handled().calls.filter(({ key }) => key.startsWith('mixed')).length;
  while (elapsed() < seconds || amid() < ENOUGH) {
    await delay(EVERY_MS, AbortSignal.timeout(timeoutMs));
    const batch: Parameters<Scene['produce']>[0][number][] = [];
    for (; sent < elapsed() * lowPerSecond; sent++) {
      const high = sent >= FIRST && sent % EVERY_SO_MANY === 0;
      batch.push(message(high ? `mixed${sent}` : `low${sent}`, sent % OWN, high ? 'high' : undefined));
    }
    // After a while, so that the flood is there before.
    for (; own < elapsed() - 5; own++) {
      batch.push(message(`own${own}`, OWN, 'high'));
      sentAt.set(`own${own}`, Date.now());
    }
    await scene.produce(batch);
  }
  const lowHandled = scene.handled().calls.filter(({ key }) => key.startsWith('low')).length;
  // What lies behind the flood in its partition is not fetched yet, and not waited for.
  const fetchedAt = new Map(
    (await scene.executions()).map((one) => [
      one.workflowId.slice(scene.name.length + 1),
      one.memo?.['processedAt'] as number,
    ]),
  );
  const mixed = [...fetchedAt.keys()].filter((key) => key.startsWith('mixed'));
  const high = [...sentAt.keys(), ...mixed];
  const calls = await until(() => new Map(scene.handled().calls.map((call) => [call.key, call])), {
    what: 'every record of high priority that was started to be handled',
    timeoutMs,
    everyMs: 500,
    accept: (seen) => high.every((key) => seen.has(key)),
  });
  const lowBegan = scene
    .handled()
    .calls.filter(({ key }) => key.startsWith('low'))
    .map(({ begunAt }) => begunAt);
  const waitOf = (key: string) => calls.get(key)!.begunAt - (sentAt.get(key) ?? fetchedAt.get(key)!);
  const ascending = (figures: readonly number[]) => figures.toSorted((a, b) => a - b);
  return {
    lowHandled,
    lowSent: sent,
    own: ascending([...sentAt.keys()].map(waitOf)),
    mixed: ascending(mixed.map(waitOf)),
    passed: ascending(
      high.map((key) => {
        const { begunAt } = calls.get(key)!;
        return lowBegan.filter((at) => at < begunAt && at > begunAt - waitOf(key)).length;
      }),
    ),
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
