import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startKafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { createTopic, logEnds, producePlain } from '../helpers/kafka.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, waitForCount } from '../helpers/temporal.js';
import { startTcpProxy } from './tcp-proxy.js';
import { grpcExchange, kafkaExchange } from './wire.js';

test('a start whose reply gets lost is in Temporal, and its repetition meets it', async (t) => {
  t.timeout(300_000);
  const { temporal } = await testStack();
  const [host, port] = temporal.address.split(':') as [string, string];
  await using proxy = await startTcpProxy({ target: { host, port: Number(port) } });
  const client = await connectTemporal({ ...temporal, address: proxy.address });
  const direct = await connectTemporal(temporal);
  t.teardown(async () => {
    await client.connection.close();
    await direct.connection.close();
  });
  const workflowId = unique('lost-reply');
  const start = async (id: string) =>
    client.workflow.start('any', { workflowId: id, taskQueue: unique('nobody') });
  // The connection has carried calls before: the parser comes in on the way.
  await start(unique('before'));
  proxy.cutAfterForwarding({ exchange: () => grpcExchange(workflowId) });
  // The SDK repeats the call by itself, with the same request ID.
  const handle = await start(workflowId);
  t.is(proxy.counters.lostReplies, 1);
  await waitForCount(direct, `WorkflowId = '${workflowId}'`, 1);
  await handle.terminate();
});

test('with kafkajs alone, an acknowledgement that gets lost leaves the message in the log, and its repetition a second one', async (t) => {
  t.timeout(300_000);
  const dataDir = await mkdtemp(join(tmpdir(), 'ktb-lost-'));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  const listener = await freePort();
  await using proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: listener } });
  const broker = await startKafkaBroker({
    dataDir,
    port: await freePort(),
    extraListeners: [{ name: 'PROXIED', port: listener, advertisedPort: proxy.port }],
  });
  try {
    const topic = await createTopic(broker.brokers, unique('lost'));
    proxy.cutAfterForwarding({ exchange: () => kafkaExchange(0) });
    await producePlain([proxy.address], topic, [{ value: 'once' }]);
    t.is(proxy.counters.lostReplies, 1);
    t.is((await logEnds(broker.brokers, topic))[0]?.offset, 2n);
  } finally {
    await broker.stop();
  }
});
