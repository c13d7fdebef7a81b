import { createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import { startLocalStack } from '../../bridge/local-stack/local-stack.js';
import { countsOf, createScene, keyed } from '../faults/scene.js';
import { startTcpProxy } from '../faults/tcp-proxy.js';
import { committedOffsets } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

/** A port where nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('a bridge that starts while Kafka is down says so, waits, and begins when it is there', async (t) => {
  const stack = await testStack();
  const [host, port] = stack.kafka.brokers[0]!.split(':');
  const down = await closedPort();
  await using scene = await createScene({ partitions: 1 });
  await scene.produce([keyed('a')]);
  const bridge = scene.bridge('bridge', [], { KAFKA_BROKERS: `127.0.0.1:${down}` });
  await bridge.waitForOutput(new RegExp(`Kafka at 127.0.0.1:${down} does not answer; waiting for it`));
  // The broker tells clients its own address, so that only the first contact goes through here.
  await using proxy = await startTcpProxy({ target: { host: host!, port: Number(port) }, port: down });
  scene.worker();
  await scene.committedToEnd();
  t.true(proxy.counters.accepted > 0);
});

test('a bridge and a worker that start while Temporal is down say so, wait, and begin when it is there', async (t) => {
  const stack = await testStack();
  const [host, port] = stack.temporal.address.split(':');
  const down = await closedPort();
  await using scene = await createScene({ partitions: 1 });
  await scene.produce([keyed('a')]);
  const env = { TEMPORAL_ADDRESS: `127.0.0.1:${down}` };
  const bridge = scene.bridge('bridge', [], env);
  const worker = scene.worker('worker', env);
  await bridge.waitForOutput(/Temporal at .* does not answer; waiting for it/);
  await worker.waitForOutput(/Temporal at .* does not answer; waiting for it/);
  t.deepEqual(
    (await committedOffsets(stack.kafka.brokers, scene.groupId, scene.topic)).map(({ offset }) => offset),
    [-1n],
    'nothing is committed',
  );
  await using _proxy = await startTcpProxy({ target: { host: host!, port: Number(port) }, port: down });
  await scene.committedToEnd();
  t.regex(await scene.client.workflow.getHandle(`${scene.name}:a`).result(), /^handled/);
});

test('SIGTERM drains: what runs is finished and committed, what waits stays in Kafka, and a restart goes on without doing anything twice', async (t) => {
  await using scene = await createScene({ partitions: 4 });
  const keys = Array.from({ length: 400 }, (_, n) => `k${n}`);
  await scene.produce(keys.map((key, n) => keyed(key, { n }, n % 4)));
  const bridge = scene.bridge();
  scene.worker();
  await until(() => countsOf(bridge)['started'] ?? 0, {
    what: 'some records to be started',
    everyMs: 20,
    accept: (count) => count > 0,
  });
  const { code } = await bridge.term();
  t.is(code, 0);
  t.regex(bridge.stderr, /"msg":"stopped"/);
  scene.bridge('bridge-2');
  await scene.committedToEnd();
  await until(() => scene.executions('ExecutionStatus = "Completed"'), {
    what: 'all executions',
    timeoutMs: 180_000,
    accept: (seen) => seen.length === keys.length,
  });
  t.is(scene.handled().calls.length, keys.length);
});

test('a second signal stops at once, also while Temporal hangs', async (t) => {
  t.timeout(240_000);
  const stack = await testStack();
  const [host, port] = stack.temporal.address.split(':');
  await using proxy = await startTcpProxy({ target: { host: host!, port: Number(port) } });
  await using scene = await createScene({ partitions: 1, config: 'drainTimeoutMs: 120000,' });
  const bridge = scene.bridge('bridge', [], { TEMPORAL_ADDRESS: proxy.address });
  await bridge.waitForOutput(/joined the group/);
  proxy.stall();
  await scene.produce([keyed('hangs')]);
  await bridge.waitForOutput(/"inFlight":1/);
  bridge.signal('SIGTERM');
  await bridge.waitForOutput(/draining/);
  bridge.signal('SIGTERM');
  t.is((await bridge.exited).code, 143);
});

test('with the broker down a shutdown ends by its deadline', async (t) => {
  t.timeout(240_000);
  await using own = await startLocalStack({
    ports: 'free',
    ui: false,
    temporal: { address: (await testStack()).temporal.address },
  });
  await using scene = await createScene({
    stack: { kafka: own.kafka, temporal: (await testStack()).temporal },
    partitions: 1,
    config: 'drainTimeoutMs: 4000,',
  });
  const bridge = scene.bridge();
  await scene.produce([keyed('a')]);
  await scene.committedToEnd();
  await own.kafka.server!.stop();
  // Without a deadline kafkajs would try to say goodbye for a quarter of an hour.
  const { code, signal } = await bridge.term({ timeoutMs: 30_000 });
  const last = bridge.stderr.trimEnd().split('\n').slice(-5).join('\n');
  t.is(signal, null, last);
  t.is(code, 0, last);
});

test('intake pauses while too many tasks wait for a worker, and goes on when they are taken', async (t) => {
  await using scene = await createScene({
    partitions: 4,
    config: "capacity: { limit: 'off' }, maxBacklog: 40, buffer: { records: 100 }, maxPollRecords: 20,",
  });
  const keys = Array.from({ length: 300 }, (_, n) => `k${n}`);
  await scene.produce(keys.map((key, n) => keyed(key, { n }, n % 4)));
  const bridge = scene.bridge();
  await bridge.waitForOutput(/intake pauses: too many tasks wait for a worker/);
  await bridge.waitForOutput(/"buffered":\d+,"inFlight":0,"backlog":\d+,"gates":\["backlog"\]/);
  const started = countsOf(bridge)['started'] ?? 0;
  t.true(started >= 40 && started <= 140, `${started} were started: the bound, and what was under way`);
  scene.worker();
  await scene.committedToEnd();
  await bridge.waitForOutput(/intake resumes/);
  await until(() => scene.executions('ExecutionStatus = "Completed"'), {
    what: 'all',
    timeoutMs: 180_000,
    accept: (seen) => seen.length === keys.length,
  });
  t.is(scene.handled().calls.length, keys.length);
});
