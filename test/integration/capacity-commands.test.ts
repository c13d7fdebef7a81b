import test from 'ava';
import type { CapacityLook, CapacitySettings } from '../../bridge/index.js';
import { startKtb } from '../faults/process.js';
import { createScene, keyed, type Scene } from '../faults/scene.js';
import { until } from '../helpers/until.js';

/** A bridge that says every second what it does. */
const TALKS = ['--report-every', '1'];

async function ktb(scene: Scene, ...args: readonly string[]) {
  const it = startKtb('ktb', args, { config: scene.project.configPath, env: scene.env });
  const { code } = await it.exited;
  return { code, stdout: it.stdout, stderr: it.stderr };
}

async function lookedAt(scene: Scene): Promise<CapacityLook> {
  return JSON.parse((await ktb(scene, 'capacity', '--json')).stdout) as CapacityLook;
}

/** By key, those that were handled. */
function handledKeys(scene: Scene): readonly string[] {
  return [
    ...new Set(scene.handled().calls.map(({ workflowId }) => workflowId.split(':').at(-1)!)),
  ].toSorted();
}

test('a pause outlives a restart of bridge and worker, everything waits in Kafka, and resume goes on', async (t) => {
  t.timeout(300_000);
  await using scene = await createScene({ partitions: 2 });
  const worker = scene.worker();
  await worker.waitForOutput('"polling"');
  const paused = await ktb(scene, 'pause', '--reason', 'the bank is down', '--who', 'ann', '--json');
  t.is(paused.code, 0, paused.stderr);
  t.like((JSON.parse(paused.stdout) as CapacitySettings).pauses[scene.name], {
    value: true,
    who: 'ann',
    why: 'the bank is down',
  });
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
  await scene.produce(keys.map((key, n) => keyed(key, { n }, n % 2)));
  const first = scene.bridge('bridge', TALKS);
  await first.waitForOutput(/"gates":\["paused"\]/);
  await worker.term();
  const newWorker = scene.worker('worker-2');
  await newWorker.waitForOutput('"polling"');
  await first.kill();
  const second = scene.bridge('bridge-2', TALKS);
  await second.waitForOutput(/"gates":\["paused"\]/);
  t.deepEqual(handledKeys(scene), []);
  t.is((await scene.executions()).length, 0);
  const shown = await ktb(scene, 'capacity');
  t.is(shown.code, 0, shown.stderr);
  t.regex(shown.stdout, new RegExp(`paused +${scene.name}, by ann since .*: the bank is down\n`));
  t.regex(shown.stdout, new RegExp(`held by +.*${scene.name} is paused by ann \\(the bank is down\\)`));
  t.regex(shown.stdout, new RegExp(`^ktb@\\S+ +${scene.name} `, 'm'), 'the bridge that asks');
  const resumed = await ktb(scene, 'resume');
  t.deepEqual([resumed.code, resumed.stdout], [0, `${scene.name} goes on.\n`]);
  await scene.committedToEnd();
  await until(() => handledKeys(scene), { what: 'all', accept: (done) => done.length === keys.length });
  t.is(scene.handled().calls.length, keys.length);
});

test('a route that is paused waits alone, over a restart too; a route that is not there is refused', async (t) => {
  t.timeout(300_000);
  await using scene = await createScene({
    partitions: 2,
    routes: `[
      { id: 'first', topic: TOPIC, eventType: 'first', workflow: 'work' },
      { id: 'second', topic: TOPIC, eventType: 'second', workflow: 'work' },
    ]`,
  });
  await scene.worker().waitForOutput('"polling"');
  t.is((await ktb(scene, 'pause', 'third', '--reason', 'r')).code, 2);
  const { code, stdout, stderr } = await ktb(scene, 'pause', 'first', '--reason', 'wrong prices');
  t.deepEqual([code, stdout], [0, `${scene.name}/first is paused.\n`]);
  t.regex(stderr, /wrong prices/);
  const record = (key: string, type: string, partition: number) => {
    const message = keyed(key, {}, partition);
    return { ...message, headers: { ...message.headers, 'event-type': type } };
  };
  const bridge = scene.bridge('bridge', TALKS);
  await scene.produce(['b1', 'b2', 'b3'].map((key) => record(key, 'second', 1)));
  await until(() => handledKeys(scene), { what: 'the other route', accept: (done) => done.length === 3 });
  await scene.produce(['a1', 'a2', 'a3'].map((key) => record(key, 'first', 0)));
  await bridge.waitForOutput(/"held":\[\{[^\]]*"routeId":"first"/);
  await bridge.kill();
  const second = scene.bridge('bridge-2', TALKS);
  await second.waitForOutput(/"held":\[\{[^\]]*"routeId":"first"/);
  await scene.produce(['b4'].map((key) => record(key, 'second', 1)));
  await until(() => handledKeys(scene), { what: 'it goes on', accept: (done) => done.includes('b4') });
  t.deepEqual(handledKeys(scene), ['b1', 'b2', 'b3', 'b4']);
  t.is((await ktb(scene, 'resume', 'first')).code, 0);
  await until(() => handledKeys(scene), { what: 'all', accept: (done) => done.length === 7 });
});

test('a limit by hand is shown, said where it is over the maximum, and watched; auto takes it back', async (t) => {
  t.timeout(300_000);
  await using scene = await createScene({ partitions: 1 });
  await scene.worker().waitForOutput('"polling"');
  scene.bridge();
  const set = await ktb(scene, 'limit', 'set', '500', '--reason', 'a test', '--who', 'ann');
  t.is(set.code, 0, set.stderr);
  t.is(set.stdout, `The limit of ${scene.taskQueue} is 500, until ktb limit auto.\n`);
  t.is(set.stderr, 'That is more than `capacity.maximum` of this configuration: 200.\n');
  await using watch = startKtb('watch', ['capacity', '--watch'], {
    config: scene.project.configPath,
    env: scene.env,
  });
  await watch.waitForOutput(/ limit \d+ \(set by ann since .*: a test\), in flight 0, circuit closed/);
  t.is((await ktb(scene, 'limit', 'set', '7')).stderr, '');
  await watch.waitForOutput(/ limit 7 \(set by /);
  const look = await lookedAt(scene);
  t.true(look.answers);
  if (look.answers) t.like(look, { taskQueue: scene.taskQueue, limit: 7, circuit: 'closed', inFlight: 0 });
  const auto = await ktb(scene, 'limit', 'auto');
  t.deepEqual([auto.code, auto.stdout], [0, `The limit of ${scene.taskQueue} moves by itself.\n`]);
  await watch.waitForOutput(/ limit \d+ \(aimd, 10 to 200\)/);
  t.deepEqual(await watch.term(), { code: 0, signal: null });
  t.is(watch.stderr, '');
});

test('without a worker: what Temporal knows, and 1; a change says that a worker must run', async (t) => {
  t.timeout(300_000);
  await using scene = await createScene({ partitions: 1 });
  const nobody = await ktb(scene, 'capacity');
  t.is(nobody.code, 1, nobody.stderr);
  t.regex(nobody.stdout, /^There is no capacity workflow for .*\n.*: 0 tasks wait, nobody polls\n/);
  const paused = await ktb(scene, 'pause', '--reason', 'r');
  t.is(paused.code, 1);
  t.is(paused.stdout, '');
  t.regex(paused.stderr, /^KTB_TEMPORAL: Expected a worker to answer on \S+-ktb, got none in 10 s/);
  const look = await lookedAt(scene);
  t.false(look.answers);
  if (!look.answers)
    t.deepEqual(
      look.queues.map(({ taskQueue }) => taskQueue),
      [scene.taskQueue, `${scene.taskQueue}-ktb`],
    );
});
