/** What of a mixed partition is started first, and what conflation starts, on real servers. */
import test from 'ava';
import { killLoop, seededRandom } from '../faults/kill-loop.js';
import type { StartedProcess } from '../faults/process.js';
import { countsOf, createScene, type Scene } from '../faults/scene.js';
import { delay } from '../../bridge/timing.js';
import type { TestMessage } from '../helpers/kafka.js';
import { until } from '../helpers/until.js';

interface Started {
  readonly key: string;
  readonly partition: number;
  readonly offset: bigint;
  /** When it was started, by Temporal's clock. */
  readonly at: number;
}

async function startedOf(scene: Scene): Promise<readonly Started[]> {
  const executions = await scene.executions();
  return executions
    .filter(({ memo }) => memo?.['offset'] !== undefined)
    .map(({ memo, startTime }) => ({
      key: String(memo!['key']),
      partition: Number(memo!['partition']),
      offset: BigInt(String(memo!['offset'])),
      at: startTime.getTime(),
    }))
    .sort((a, b) => a.at - b.at || Number(a.offset - b.offset));
}

test('under a flood of low priority in the same partition high priority starts after a few low ones', async (t) => {
  t.timeout(240_000);
  const [LOW, HIGH] = [200, 10];
  await using scene = await createScene({
    partitions: 1,
    routes: `[{ id: 'work', topic: TOPIC, activity: 'handle', priority: 'low' }]`,
    config: 'maxBacklog: 20, maxConcurrentStarts: 4,',
  });
  const message = (key: string, priority?: string): TestMessage => ({
    key,
    value: '{}',
    headers: { 'idempotency-key': key, ...(priority === undefined ? {} : { priority }) },
  });
  await scene.produce(Array.from({ length: LOW }, (_, n) => message(`low${n}`)));
  await scene.produce(Array.from({ length: HIGH }, (_, n) => message(`high${n}`, 'high')));
  // Nobody works yet: a few are started, and then it holds, with all of them fetched.
  const bridge = scene.bridge();
  await until(() => countsOf(bridge)['started'], { what: 'the first starts', timeoutMs: 120_000 });
  const before = await until(() => startedOf(scene), {
    what: 'the bridge to hold',
    timeoutMs: 60_000,
    everyMs: 2_500,
    accept: (() => {
      let last = -1;
      return (now: readonly Started[]) => {
        const isSame = now.length === last && now.length > 0;
        last = now.length;
        return isSame;
      };
    })(),
  });
  scene.worker();
  await scene.committedToEnd();
  const order = (await startedOf(scene)).map(({ key }) => key);
  t.is(order.length, LOW + HIGH);
  const lastHigh = order.findLastIndex((key) => key.startsWith('high'));
  const lowBefore = order.slice(0, lastHigh).filter((key) => key.startsWith('low')).length;
  t.log(
    `${before.length} were started before there was a worker, ${lowBefore} low ones before the last high one`,
  );
  // In the order of the log it would be all of them. One low one may pass for each high one, where there is room for several.
  t.true(lowBefore <= before.length + HIGH + 4, `${lowBefore} low ones, ${before.length} before`);
});

test('whatever is killed, conflation ends with the latest of each key started, and never starts an older state after a newer one', async (t) => {
  t.timeout(420_000);
  const [KEYS, RECORDS, PARTITIONS] = [6, 1_200, 2];
  await using scene = await createScene({
    partitions: PARTITIONS,
    routes: `[{ id: 'state', topic: TOPIC, activity: 'handle', conflate: 'latest-by-key',
      rate: { perSecond: 15, burst: 5 }, demand: { buffer: 20, step: 5, resumeBelow: 10 } }]`,
  });
  const random = seededRandom(20261124);
  const latest = new Map<string, string>();
  const produced: TestMessage[] = Array.from({ length: RECORDS }, (_, n) => {
    const which = Math.floor(random() * KEYS);
    const [key, id] = [`k${which}`, `k${which}-${n}`];
    latest.set(key, id);
    return {
      key,
      value: JSON.stringify({ n }),
      partition: which % PARTITIONS,
      headers: { 'idempotency-key': id },
    };
  });
  scene.worker();
  const bridges = new Set<StartedProcess>();
  let count = 0;
  const startBridge = () => void bridges.add(scene.bridge(`bridge-${++count}`));
  startBridge();
  await scene.produce(produced.slice(0, 200));
  await until(() => scene.handled().calls.length, {
    what: 'the first handler calls',
    timeoutMs: 120_000,
    accept: (calls) => calls >= 5,
  });
  const loop = killLoop({
    seed: 20261124,
    everyMs: [2_000, 5_000],
    times: 4,
    targets: () => [...bridges],
    revive: (victim) => {
      bridges.delete(victim);
      startBridge();
      // Strikes hit work: not a bridge that waits for the session of the one before to end.
      return [...bridges][0]!.waitForOutput(/"gained":\["/, 60_000);
    },
    onStrike: ({ victim, atMs }) => t.log(`killed ${victim} after ${atMs} ms`),
  });
  for (let from = 200; from < RECORDS; from += 50) {
    await scene.produce(produced.slice(from, from + 50));
    await delay(1_500);
  }
  await loop.done;
  await scene.committedToEnd(240_000);
  const started = await startedOf(scene);
  const inOrder = [...started].sort((a, b) => Number(a.offset - b.offset));
  for (const key of latest.keys()) {
    const ofKey = inOrder.filter((one) => one.key.startsWith(`${key}-`));
    ofKey.slice(1).forEach((newer, index) => {
      const older = ofKey[index]!;
      t.true(older.at <= newer.at, `${older.key} was started ${older.at - newer.at} ms after ${newer.key}`);
    });
    t.is(ofKey.at(-1)?.key, latest.get(key));
  }
  t.is(new Set(started.map(({ key }) => key)).size, started.length, 'none twice');
  const handled = await until(() => scene.handled(), {
    what: 'all that was started to be handled',
    timeoutMs: 60_000,
    accept: (seen) => started.every(({ key }) => seen.of(key).some(({ outcome }) => outcome === 'ended')),
  });
  t.deepEqual(handled.keys().toSorted(), started.map(({ key }) => key).toSorted());
  t.log(`${RECORDS} records, ${started.length} started, the others conflated`);
  t.true(started.length < RECORDS, 'something was conflated');
});
