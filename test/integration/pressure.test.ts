import test from 'ava';
import { createScene, keyed, type Scene } from '../faults/scene.js';
import { until } from '../helpers/until.js';

const TALKS = ['--report-every', '1'];

function handled(scene: Scene): readonly string[] {
  return [...new Set(scene.handled().calls.map(({ workflowId }) => workflowId.split(':').at(-1)!))];
}

test('a machine under pressure takes less at a time, says why, and handles everything', async (t) => {
  t.timeout(300_000);
  // Any process uses more memory than this: the pressure is real, and lasts.
  await using scene = await createScene({ partitions: 2, config: 'pressure: { memory: 0.00001 },' });
  const bridge = scene.bridge('bridge', TALKS);
  scene.worker();
  await bridge.waitForOutput(/under pressure: fewer records are taken at a time/);
  await bridge.waitForOutput(/"pressure":\["memory"[^\]]*\],"pollRecords":10,"deferred":0/);
  const keys = Array.from({ length: 100 }, (_, n) => `k${n}`);
  const low = (key: string, n: number) => {
    const message = keyed(key, { n }, n % 2);
    return { ...message, headers: { ...message.headers, priority: n % 3 === 0 ? 'low' : 'high' } };
  };
  await scene.produce(keys.map(low));
  await scene.committedToEnd();
  await until(() => handled(scene), { what: 'all', accept: (done) => done.length === keys.length });
  t.is(scene.handled().calls.length, keys.length);
});

test("with `low: 'wait'` low priority stays in Kafka under pressure, the rest goes on, and nothing is lost", async (t) => {
  t.timeout(300_000);
  await using scene = await createScene({
    partitions: 2,
    config: "pressure: { memory: 0.00001, low: 'wait' },",
  });
  const bridge = scene.bridge('bridge', TALKS);
  scene.worker();
  await bridge.waitForOutput(/"pressure":\["memory"/);
  const record = (key: string, priority: string, partition: number) => {
    const message = keyed(key, {}, partition);
    return { ...message, headers: { ...message.headers, priority } };
  };
  const names = (of: string) => Array.from({ length: 10 }, (_, n) => `${of}${n}`);
  await scene.produce(names('low').map((key) => record(key, 'low', 0)));
  await bridge.waitForOutput(/"deferred":1/);
  await scene.produce(names('high').map((key) => record(key, 'high', 1)));
  await until(() => handled(scene), { what: 'high priority', accept: (done) => done.length === 10 });
  t.true(handled(scene).every((key) => key.startsWith('high')));
  t.deepEqual(await bridge.term(), { code: 0, signal: null }, 'what waits does not keep a drain');
  t.is(handled(scene).length, 10);
  scene.reconfigure({ config: "pressure: { low: 'wait', memory: 1, cpu: 1, eventLoopMs: 60000 }," });
  scene.bridge('bridge-2');
  await scene.committedToEnd();
  await until(() => handled(scene), { what: 'all', accept: (done) => done.length === 20 });
  t.is(scene.handled().calls.length, 20);
});
