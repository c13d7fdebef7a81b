/** faults.md's nastiest cases, as they read for one workflow a record. */
import test from 'ava';
import { loadConfig } from '../../bridge/config/load.js';
import { Bridge } from '../../bridge/bridge.js';
import { createLogger } from '../../bridge/observe/logger.js';
import { SdkTemporalPort } from '../../bridge/temporal/sdk-temporal-port.js';
import type { StartAnswer, StartRequest } from '../../bridge/temporal/temporal-port.js';
import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import { countsOf, createScene, keyed, type Scene } from '../faults/scene.js';
import { startTcpProxy } from '../faults/tcp-proxy.js';
import { grpcExchange } from '../faults/wire.js';
import { committedOffsets, createTopic, deleteTopic, kafkaClient, withAdmin } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const keyless = (n: number, partition = 0) => ({ partition, key: null, value: JSON.stringify({ n }) });
const allClosed = (scene: Scene, count: number) =>
  until(() => scene.executions('ExecutionStatus = "Completed"'), {
    what: `${count} completed executions`,
    timeoutMs: 180_000,
    everyMs: 250,
    accept: (seen) => seen.length >= count,
  });

test('1. a topic deleted and made again: its records are new ones, though topic, partition and offset are the same', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  const bridge = scene.bridge();
  await scene.producePlain([keyless(1), keyless(2), keyless(3)]);
  await scene.committedToEnd();
  await bridge.term();
  const { brokers } = scene.stack.kafka;
  await deleteTopic(brokers, scene.topic);
  await createTopic(brokers, scene.topic, { partitions: 1 });
  await scene.producePlain([keyless(1), keyless(2), keyless(3), keyless(4)]);
  scene.bridge('bridge-2');
  await scene.committedToEnd();
  t.is((await allClosed(scene, 7)).length, 7, 'three of the old topic, four of the new one');
});

test('1. a topic made anew under a running bridge stops that partition loudly, and nothing of it is committed; a restart goes on', async (t) => {
  await using scene = await createScene({ partitions: 1, config: 'watchdogMs: 2000,' });
  scene.worker();
  const bridge = scene.bridge();
  await scene.producePlain([keyless(1), keyless(2), keyless(3)]);
  await scene.committedToEnd();
  const { brokers } = scene.stack.kafka;
  await deleteTopic(brokers, scene.topic);
  await createTopic(brokers, scene.topic, { partitions: 1 });
  await scene.producePlain([keyless(1)]);
  await bridge.waitForOutput(/"alert":"partitionStopped".*went backwards/, 120_000);
  await bridge.term();
  scene.bridge('bridge-2');
  await scene.committedToEnd();
  t.is((await allClosed(scene, 4)).length, 4, 'the record of the new topic was not taken for an old one');
});

test('2. retention outran the lag: the lost range is said, and the rest is handled', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  const bridge = scene.bridge();
  await scene.produce([keyed('a'), keyed('b')]);
  await scene.committedToEnd();
  await bridge.term();
  await scene.produce([keyed('lost-1'), keyed('lost-2'), keyed('kept')]);
  await deleteBefore(scene, 4);
  const second = scene.bridge('bridge-2');
  await second.waitForOutput(/"alert":"lostRange".*2 offsets of .* were lost before they were read: 2 to 3/);
  await scene.committedToEnd();
  const ids = (await allClosed(scene, 3))
    .map(({ workflowId }) => workflowId.slice(scene.name.length + 1))
    .toSorted();
  t.deepEqual(ids, ['a', 'b', 'kept']);
});

test("2. with `onLostRange: 'hold'` a lost range holds its partition, and nothing is committed past it", async (t) => {
  await using scene = await createScene({ partitions: 1, kafka: `onLostRange: 'hold',` });
  const bridge = scene.bridge();
  await scene.produce([keyed('a'), keyed('b')]);
  await scene.committedToEnd();
  await bridge.term();
  await scene.produce([keyed('lost'), keyed('waits')]);
  await deleteBefore(scene, 3);
  const second = scene.bridge('bridge-2');
  await second.waitForOutput(/"alert":"partitionStopped".*it is held/);
  await second.term();
  t.is(
    String((await committedOffsets(scene.stack.kafka.brokers, scene.groupId, scene.topic))[0]?.offset),
    '2',
  );
});

test('2. a renamed group reads from the beginning, says so, and handles nothing twice', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  const bridge = scene.bridge();
  await scene.producePlain([keyed('a'), keyed('b'), keyless(1)]);
  await scene.committedToEnd();
  await bridge.term();
  const renamed = scene.project.write(
    'renamed.config.ts',
    `import config from './temporal.config.ts';\nexport default { ...config, kafka: { ...config.kafka, groupId: config.kafka.groupId + '-renamed' } };\n`,
  );
  const second = scene.bridge('bridge-2', ['--config', renamed]);
  await second.waitForOutput(/the group had no position: it begins at the beginning/);
  await until(() => countsOf(second)['started'], {
    what: 'three own starts met again',
    accept: (count) => count === 3,
  });
  await allClosed(scene, 3);
  t.is((await scene.executions()).length, 3);
  t.is(scene.handled().calls.length, 3);
});

test('2. a group that belongs to a subscription of another name is refused, unless told otherwise', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  const bridge = scene.bridge();
  await scene.produce([keyed('a')]);
  await scene.committedToEnd();
  await bridge.term();
  const other = scene.project.write(
    'other.config.ts',
    `import config from './temporal.config.ts';\nexport default { ...config, name: 'another-name' };\n`,
  );
  const refused = scene.bridge('refused', ['--config', other]);
  t.is((await refused.exited).code, 1);
  t.regex(
    refused.stderr,
    /KTB_SUBSCRIPTION: Expected group .* to belong to subscription `another-name`, got .*--rename/,
  );
  const renamed = scene.bridge('renamed', ['--config', other, '--rename']);
  await renamed.waitForOutput(/joined the group/);
});

test('3. a start was accepted and its reply lost: the second call meets the first', async (t) => {
  const stack = await testStack();
  const [host, port] = stack.temporal.address.split(':');
  await using proxy = await startTcpProxy({ target: { host: host!, port: Number(port) } });
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  const bridge = scene.bridge('bridge', ['--log-level', 'debug'], { TEMPORAL_ADDRESS: proxy.address });
  await bridge.waitForOutput(/joined the group/);
  proxy.cutAfterForwarding({ exchange: () => grpcExchange(`${scene.name}:lost-reply`), count: 1 });
  await scene.produce([keyed('lost-reply'), keyed('neighbour')]);
  await scene.committedToEnd();
  t.is(proxy.counters.lostReplies, 1, 'the server took the start, and its answer was cut');
  await allClosed(scene, 2);
  t.is((await scene.executions()).length, 2);
  t.is(scene.handled().calls.length, 2);
  t.notRegex(bridge.stderr, /"outcome":"(duplicate|conflict|quarantined|foreign)"/);
});

test('5. a zombie bridge after a rebalance: its late starts meet the same request IDs, and its commit never moves an offset that is no longer its own', async (t) => {
  t.timeout(240_000);
  await using scene = await createScene({ partitions: 2 });
  scene.worker();
  const keys = Array.from({ length: 300 }, (_, n) => `k${n}`);
  const zombie = scene.bridge('zombie');
  await zombie.waitForOutput(/joined the group/);
  await scene.produce(keys.map((key, n) => keyed(key, { n }, n % 2)));
  await until(() => countsOf(zombie)['started'] ?? 0, {
    what: 'the zombie to be at work',
    everyMs: 20,
    accept: (count) => count > 0,
  });
  zombie.stop();
  scene.bridge('heir');
  await scene.committedToEnd();
  const positions = async () =>
    (await committedOffsets(scene.stack.kafka.brokers, scene.groupId, scene.topic)).map(({ offset }) =>
      Number(offset),
    );
  const before = await positions();
  zombie.cont();
  // It finishes what it held, learns that it was thrown out, and joins again.
  await zombie.waitForOutput(/joined the group[\s\S]*joined the group/, 120_000);
  await scene.produce([keyed('end-0', {}, 0), keyed('end-1', {}, 1)]);
  for (let look = await positions(); ; look = await positions()) {
    t.true(
      look.every((offset, index) => offset >= before[index]!),
      `${look.join()} never falls behind ${before.join()}`,
    );
    if (look.every((offset, index) => offset === before[index]! + 1)) break;
  }
  const done = await allClosed(scene, keys.length + 2);
  t.is(done.length, keys.length + 2);
  t.is(scene.handled().calls.length, keys.length + 2);
});

test('7. the same key in two partitions: the second is a duplicate, or a conflict where its value differs', async (t) => {
  await using scene = await createScene({ partitions: 3 });
  scene.worker();
  const bridge = scene.bridge();
  await scene.produce([keyed('same', { n: 1 }, 0)]);
  await scene.committedToEnd();
  await scene.produce([keyed('same', { n: 1 }, 1), keyed('same', { n: 2 }, 2)]);
  await scene.committedToEnd();
  const counts = await until(() => countsOf(bridge), {
    what: 'three outcomes',
    accept: ({ started, duplicate, conflict }) => (started ?? 0) + (duplicate ?? 0) + (conflict ?? 0) === 3,
  });
  t.like(counts, { started: 1, duplicate: 1, conflict: 1 });
  const [quarantine] = await scene.executions('WorkflowType = "ktbQuarantine"');
  t.regex(quarantine!.workflowId, /\/2\/0@/, 'the other value stands in quarantine');
});

test('9. poison in the middle, markers at the end: the commit waits until the quarantine workflow is durable, and ends behind the marker', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  const { brokers } = scene.stack.kafka;
  const config = await loadConfig({ file: scene.project.configPath, env: {} });
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  class Held extends SdkTemporalPort {
    override async start(request: StartRequest): Promise<StartAnswer> {
      if (request.workflowType === QUARANTINE_WORKFLOW) await gate;
      return super.start(request);
    }
  }
  const held = new Held(config.temporal);
  const producer = kafkaClient(brokers).producer({
    transactionalId: scene.name,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  t.teardown(() => producer.disconnect());
  const transaction = await producer.transaction();
  await transaction.send({
    topic: scene.topic,
    messages: [keyed('a'), keyed('b'), { ...keyed('poison'), value: 'not JSON' }, keyed('c'), keyed('d')].map(
      ({ value, headers }) => ({ value, headers: { ...headers }, partition: 0 }),
    ),
  });
  await transaction.commit();

  await using bridge = new Bridge(config, {
    logger: createLogger({ name: 'test', level: 'silent' }),
    ports: { temporal: held },
  });
  await bridge.start();
  await until(() => bridge.status().outcomes.started, {
    what: 'the four neighbours to be started',
    accept: (count) => count === 4,
  });
  const position = async () =>
    Number((await committedOffsets(brokers, scene.groupId, scene.topic))[0]?.offset ?? -1);
  await until(position, { what: 'the commit to reach the poison', accept: (offset) => offset === 2 });
  t.is(bridge.status().partitions[0]?.committable, 2n, 'and not to pass it, though later records are done');
  release();
  await scene.committedToEnd();
  t.is(await position(), 6, 'five records and the marker');
});

test('an aborted transaction is not seen, and an open one does not hold what stands before it', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  scene.bridge();
  const producer = kafkaClient(scene.stack.kafka.brokers).producer({
    transactionalId: scene.name,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  t.teardown(() => producer.disconnect());
  const message = (key: string) => ({ key, value: '{}', partition: 0, headers: { 'idempotency-key': key } });
  const aborted = await producer.transaction();
  await aborted.send({ topic: scene.topic, messages: [message('aborted')] });
  await aborted.abort();
  await scene.produce([keyed('between')]);
  await until(async () => (await scene.executions()).length, {
    what: 'the record between',
    accept: (count) => count === 1,
  });
  const open = await producer.transaction();
  await open.send({ topic: scene.topic, messages: [message('committed')] });
  await open.commit();
  await scene.committedToEnd();
  const ids = (await allClosed(scene, 2))
    .map(({ workflowId }) => workflowId.slice(scene.name.length + 1))
    .toSorted();
  t.deepEqual(ids, ['between', 'committed']);
});

/** What retention does, without waiting for it. */
async function deleteBefore(scene: Scene, offset: number): Promise<void> {
  await withAdmin(scene.stack.kafka.brokers, async (admin) => {
    await admin.fetchTopicMetadata({ topics: [scene.topic] }); // kafkajs finds no leader without it
    await admin.deleteTopicRecords({
      topic: scene.topic,
      partitions: [{ partition: 0, offset: String(offset) }],
    });
  });
}
