import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createProducer } from '../../bridge/index.js';
import { Kafka, logLevel } from 'kafkajs';
import { startKafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';

test('a killed broker restarts with its data on the same port, and tells a listener of its own the proxy', async (t) => {
  t.timeout(120_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'ktb-kafka-test-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const proxyPort = await freePort();
  const listener = { name: 'PROXY', port: await freePort(), advertisedPort: proxyPort };
  const proxy = createServer((client) => {
    const broker = connect(listener.port, '127.0.0.1');
    client.on('error', () => broker.destroy()).pipe(broker);
    broker.on('error', () => client.destroy()).pipe(client);
  });
  await once(proxy.listen(proxyPort, '127.0.0.1'), 'listening');
  t.teardown(() => proxy.close());
  const broker = await startKafkaBroker({ dataDir, port: await freePort(), extraListeners: [listener] });
  t.teardown(async () => broker.stop());
  const kafka = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  t.teardown(async () => admin.disconnect());
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'orders', numPartitions: 2 }], waitForLeaders: true });
  const producer = createProducer({ kafka: { brokers: broker.brokers } });
  t.teardown(() => producer.close());
  await producer.send({ topic: 'orders', value: 'one', partition: 0 });
  const before = await admin.describeCluster();
  t.deepEqual(
    before.brokers.map((each) => each.port),
    [broker.port],
  );

  broker.server.signal('SIGKILL');
  await broker.server.exited;
  await broker.server.restart();
  await producer.send({ topic: 'orders', value: 'two', partition: 0 });
  const offsets = await admin.fetchTopicOffsets('orders');
  t.is(offsets.find((each) => each.partition === 0)?.high, '2');
  t.is((await admin.describeCluster()).clusterId, broker.clusterId);

  const behind = new Kafka({ brokers: [`127.0.0.1:${listener.port}`], logLevel: logLevel.NOTHING }).admin();
  t.teardown(async () => behind.disconnect());
  await behind.connect();
  t.deepEqual(
    (await behind.describeCluster()).brokers.map((each) => each.port),
    [proxyPort],
  );
});
