import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { KafkaLog, type LogReadOptions } from '../../bridge/intake/kafka-log.js';
import { startKafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { createLogger } from '../../bridge/observe/logger.js';
import { createTopic, kafkaClient, produce, readAll, withAdmin } from '../helpers/kafka.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const logger = createLogger({ name: 'test', level: 'silent' });

function logOf(brokers: readonly string[]): KafkaLog {
  return new KafkaLog(
    { brokers, clientId: 'test', ssl: undefined, sasl: undefined },
    logger,
    32 * 1024 * 1024,
  );
}

const numbered = (count: number, partitions = 1) =>
  Array.from({ length: count }, (_, n) => ({ partition: n % partitions, value: String(n) }));

/** From the beginning to where the log ends now. */
async function all(log: KafkaLog, topic: string, options: LogReadOptions = {}): Promise<string[]> {
  const logs = await log.logs(topic);
  const from = new Map(logs.map(({ partition }) => [partition, 0n]));
  const to = new Map(logs.map(({ partition, end }) => [partition, end]));
  const values: string[] = [];
  for await (const { value } of log.read(topic, from, { to, ...options })) values.push(String(value));
  return values;
}

test('all partitions are read to their ends, each in order, and no group is left', async (t) => {
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('log'), { partitions: 3 });
  await produce(brokers, topic, numbered(3_000, 3));
  const log = logOf(brokers);
  const values = (await all(log, topic)).map(Number);
  t.is(values.length, 3_000);
  for (const partition of [0, 1, 2]) {
    const own = values.filter((n) => n % 3 === partition);
    t.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
    );
  }
  await log.close();
});

test('of transactions only what was committed is read; one that is open is not waited for', async (t) => {
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('log'));
  const producer = kafkaClient(brokers).producer({
    transactionalId: topic,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  t.teardown(() => producer.disconnect());
  const transaction = async (value: string) => {
    const open = await producer.transaction();
    await open.send({ topic, acks: -1, messages: [{ partition: 0, value }] });
    return open;
  };
  await (await transaction('committed')).commit();
  await (await transaction('aborted')).abort();
  await produce(brokers, topic, [{ value: 'between' }]);
  const open = await transaction('open');
  const log = logOf(brokers);
  t.deepEqual(await all(log, topic), ['committed', 'between']);
  await open.commit();
  await until(() => all(log, topic), {
    what: 'the transaction to be read when it is committed',
    accept: (values) => values.join() === 'committed,between,open',
  });
  await log.close();
});

test('a place that retention has removed begins at the first record that is left', async (t) => {
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('log'));
  await produce(brokers, topic, numbered(10));
  await withAdmin(brokers, async (admin) => {
    await admin.fetchTopicOffsets(topic); // kafkajs knows the leader only then
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] });
  });
  const log = logOf(brokers);
  t.deepEqual(await all(log, topic), ['7', '8', '9']);
  t.deepEqual(
    (await readAll(brokers, topic)).map(({ value }) => String(value)),
    ['7', '8', '9'],
  );
  await t.throwsAsync(log.logs('nobody-made-it'), { message: /Expected a topic that exists/ });
  await log.close();
});

test('what follows a topic finds partitions that it gets later, and ends when it is told to', async (t) => {
  t.timeout(120_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('log'));
  const log = logOf(brokers);
  const stop = new AbortController();
  const values: string[] = [];
  const reading = (async () => {
    const options = { discover: true, signal: stop.signal, patienceMs: Infinity };
    for await (const { value } of log.read(topic, new Map([[0, 0n]]), options)) values.push(String(value));
  })();
  await produce(brokers, topic, [{ value: 'first' }]);
  await until(() => values.includes('first'), { what: 'the first record' });
  await withAdmin(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }));
  await produce(brokers, topic, [{ partition: 1, value: 'second' }]);
  await until(() => values.includes('second'), { what: 'the record of the new partition' });
  stop.abort();
  await reading;
  t.deepEqual(values, ['first', 'second']);
  await log.close();
});

test('a broker that is killed is waited for, and nothing is read twice or passed by', async (t) => {
  t.timeout(240_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'ktb-log-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const broker = await startKafkaBroker({ dataDir, port: await freePort() });
  t.teardown(() => broker.stop());
  const { brokers } = broker;
  const topic = await createTopic(brokers, unique('log'), { partitions: 2 });
  await produce(brokers, topic, numbered(100, 2));
  const log = logOf(brokers);
  const stop = new AbortController();
  const values: number[] = [];
  const said: (string | undefined)[] = [];
  const reading = (async () => {
    const options = {
      signal: stop.signal,
      patienceMs: Infinity,
      onAway: (why: string | undefined) => said.push(why),
    };
    const from = new Map([0, 1].map((partition) => [partition, 0n]));
    for await (const { value } of log.read(topic, from, options)) values.push(Number(String(value)));
  })();
  await until(() => values.length === 100, { what: 'all that is there' });
  broker.server.signal('SIGKILL');
  await broker.server.exited;
  await until(() => said.length > 0, { what: 'the outage to be said' });
  await broker.server.restart();
  await produce(brokers, topic, numbered(150, 2).slice(100));
  await until(() => values.length >= 150, { what: 'what came afterwards' });
  stop.abort();
  await reading;
  t.deepEqual(
    values.toSorted((a, b) => a - b),
    Array.from({ length: 150 }, (_, n) => n),
  );
  t.is(said.length % 2, 0, 'and that it is over');
  t.is(said.at(-1), undefined);
  await log.close();
});
