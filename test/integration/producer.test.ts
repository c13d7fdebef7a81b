import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test, { type ExecutionContext } from 'ava';
import { createProducer, SendError, type CreateProducerOptions, type Producer } from '../../bridge/index.js';
import type { ProducerOptions } from '../../bridge/config/types.js';
import { Producer as ProducerClass } from '../../bridge/producer/producer.js';
import { resolveProducerConfig } from '../../bridge/producer/resolve-config.js';
import { createTopic, readAll, withAdmin } from '../helpers/kafka.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

interface Setting {
  readonly topic: string;
  readonly brokers: readonly string[];
  readonly producer: Producer;
}

async function setting(
  t: ExecutionContext,
  options: CreateProducerOptions & { readonly producer?: ProducerOptions; readonly partitions?: number } = {},
): Promise<Setting> {
  t.timeout(120_000);
  const { kafka } = await testStack();
  const topic = await createTopic(kafka.brokers, unique('produced'), { partitions: options.partitions ?? 1 });
  const producer = createProducer({ kafka, producer: options.producer ?? {} }, options);
  t.teardown(() => producer.close());
  return { topic, brokers: kafka.brokers, producer };
}

const texts = (headers: object): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

test('a record is in the log where the promise says, with its headers and those that were missing', async (t) => {
  const { topic, brokers, producer } = await setting(t, { partitions: 3 });
  const headers = { own: 'value', none: null, number: 7, several: ['a', 'b'], 'line\nbreak': 'in\r\nit' };
  const sent = await producer.send({ topic, key: 'k', value: 'v', headers, timestamp: 1_700_000_000_000 });
  const [message] = await readAll(brokers, topic);
  t.like(message, { partition: sent.partition, offset: BigInt(sent.offset), timestamp: 1_700_000_000_000 });
  t.deepEqual([String(message!.key), String(message!.value)], ['k', 'v']);
  const { 'idempotency-key': key, 'trace-id': trace, traceparent, ...rest } = texts(message!.headers);
  t.regex(key!, /^[0-9a-f-]{36}$/);
  t.regex(traceparent!, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  t.deepEqual(rest, {
    own: 'value',
    number: '7',
    several: 'a,b',
    'line break': 'in it',
    timestamp: '1700000000000',
  });
});

test('events are encoded as the decoders read them', async (t) => {
  const { topic, brokers, producer } = await setting(t);
  await producer.sendEvent(
    topic,
    'k',
    { total: 5 },
    { 'event-type': 'order.placed', 'idempotency-key': 'A-1' },
  );
  const [message] = await readAll(brokers, topic);
  t.is(String(message!.value), '{"total":5}');
  t.like(texts(message!.headers), { 'event-type': 'order.placed', 'idempotency-key': 'A-1' });
  await t.throwsAsync(producer.sendEvent(topic, 'k', 1n), { code: 'KTB_DEAD_LETTERED' });
});

for (const compression of ['none', 'gzip', 'snappy'] as const) {
  test(`thousands of records at once are all there, in order by key: ${compression}`, async (t) => {
    const { topic, brokers, producer } = await setting(t, { partitions: 4, producer: { compression } });
    const messages = Array.from({ length: 5_000 }, (_, index) => ({
      topic,
      key: `k${index % 37}`,
      value: `${index}`.padEnd(100, 'x'),
    }));
    t.deepEqual(await producer.sendAll(messages), { sent: 5_000, failed: 0 });
    const read = await readAll(brokers, topic);
    t.is(new Set(read.map(({ value }) => String(value))).size, 5_000);
    t.is(read.length, 5_000);
    const last = new Map<string, number>();
    for (const { key, value } of read) {
      const index = Number.parseInt(String(value), 10);
      t.true((last.get(String(key)) ?? -1) < index);
      last.set(String(key), index);
    }
  });
}

test('keys go where other clients of Kafka put them', async (t) => {
  const { topic, brokers, producer } = await setting(t, { partitions: 7 });
  const { kafkaClient } = await import('../helpers/kafka.js');
  const plain = kafkaClient(brokers).producer();
  await plain.connect();
  const keys = Array.from({ length: 60 }, (_, index) => `key-${index}-${'ü'.repeat(index % 5)}`);
  await plain.send({ topic, messages: keys.map((key) => ({ key, value: 'theirs' })) });
  await plain.disconnect();
  await Promise.all(keys.map((key) => producer.send({ topic, key, value: 'ours' })));
  const places = new Map<string, Set<number>>();
  for (const { key, partition } of await readAll(brokers, topic)) {
    const known = places.get(String(key)) ?? new Set();
    places.set(String(key), known.add(partition));
  }
  t.is(places.size, 60);
  t.true([...places.values()].every(({ size }) => size === 1));
});

test('too large for the broker: a dead letter with the beginning, the size and the hash; the others go on', async (t) => {
  const { topic, brokers, producer } = await setting(t, { producer: { compression: 'none' } });
  const value = 'x'.repeat(2_000_000);
  const [before, large, after] = await Promise.allSettled([
    producer.send({ topic, value: 'before' }),
    producer.send({ topic, key: 'k', value }),
    producer.send({ topic, value: 'after' }),
  ]);
  t.deepEqual([before.status, after.status], ['fulfilled', 'fulfilled']);
  const error = (large as PromiseRejectedResult).reason as SendError;
  t.true(error instanceof SendError);
  t.like(error, { code: 'KTB_DEAD_LETTERED', retryable: false, deadLetter: { topic: `${topic}.dlq` } });
  t.deepEqual(
    (await readAll(brokers, topic)).map((one) => String(one.value)),
    ['before', 'after'],
  );
  const [letter] = await readAll(brokers, `${topic}.dlq`);
  t.true(letter!.value!.length < 100_000);
  t.is(String(letter!.key), 'k');
  t.like(texts(letter!.headers), {
    'original-topic': topic,
    'original-size': '2000000',
    'error-message': 'the broker answers MESSAGE_TOO_LARGE',
  });
  t.regex(texts(letter!.headers)['original-sha256']!, /^[0-9a-f]{64}$/);
});

test('an unknown topic: a dead letter, and nothing is created under its name', async (t) => {
  const { brokers, producer } = await setting(t);
  const topic = unique('nowhere');
  await t.throwsAsync(producer.send({ topic, value: 'x' }), {
    code: 'KTB_DEAD_LETTERED',
    message: /there is no such topic/,
  });
  t.false((await withAdmin(brokers, (admin) => admin.listTopics())).includes(topic));
});

test('a topic that gets more partitions is noticed', async (t) => {
  const { topic, brokers } = await setting(t);
  const producer = new ProducerClass(
    resolveProducerConfig({ kafka: { brokers } }),
    {},
    { metadataMaxAgeMs: 300 },
  );
  t.teardown(() => producer.close());
  await producer.send({ topic, value: 'first' });
  await withAdmin(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] }));
  const seen = new Set<number>();
  await until(
    async () => {
      const sends = Array.from({ length: 160 }, () => producer.send({ topic, value: 'x' }));
      for (const { partition } of await Promise.all(sends)) seen.add(partition);
      return seen.size;
    },
    { what: 'all partitions to be used', accept: (size) => size === 5, timeoutMs: 30_000 },
  );
  t.pass();
});

test('a stream is taken no faster than Kafka takes it, and ends when all is there', async (t) => {
  const { topic, brokers, producer } = await setting(t, { producer: { buffer: { records: 50 } } });
  let most = 0;
  async function* messages() {
    for (let index = 0; index < 2_000; index++) {
      most = Math.max(most, producer.status.records);
      yield { topic, value: String(index) };
    }
  }
  await pipeline(Readable.from(messages()), producer.writable());
  t.true(most <= 50);
  t.deepEqual(
    (await readAll(brokers, topic)).map(({ value }) => Number(value)),
    Array.from({ length: 2_000 }, (_, index) => index),
  );
});

test('a signal stops an iterable that would never end; what was accepted is sent', async (t) => {
  const { topic, brokers, producer } = await setting(t);
  const abort = new AbortController();
  let given = 0;
  async function* endless() {
    for (;;) {
      if (given === 100) setTimeout(() => abort.abort(new Error('enough')), 10);
      if (given > 100) await new Promise(() => undefined);
      yield { topic, value: String(given++) };
    }
  }
  await t.throwsAsync(producer.sendAll(endless(), { signal: abort.signal }), { message: 'enough' });
  await producer.flush();
  t.is((await readAll(brokers, topic)).length, 101);
});

test('closed, it takes nothing, and what was accepted before is in the log', async (t) => {
  const { topic, brokers, producer } = await setting(t);
  const sends = Array.from({ length: 500 }, (_, index) => producer.send({ topic, value: String(index) }));
  await producer.close();
  t.is((await Promise.all(sends)).length, 500);
  await t.throwsAsync(producer.send({ topic, value: 'late' }), { code: 'KTB_CLOSED' });
  t.is((await readAll(brokers, topic)).length, 500);
});

test('Kafka is away from the start: a spill file keeps it all, over a restart, and brings it in order', async (t) => {
  const { topic, brokers } = await setting(t, { partitions: 3 });
  const dir = mkdtempSync(join(tmpdir(), 'ktb-producer-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const options = { spill: { dir }, circuit: { failures: 1, halfOpenAfterMs: 60_000 } };
  const away = createProducer({ kafka: { brokers: ['127.0.0.1:1'] }, producer: options });
  for (let index = 0; index < 20; index++)
    await t.throwsAsync(away.send({ topic, key: 'k', value: String(index) }), { code: 'KTB_SPILLED' });
  t.is(away.status.spilledRecords, 20);
  await away.close();
  const back = createProducer({ kafka: { brokers }, producer: options });
  t.teardown(() => back.close());
  await back.send({ topic, key: 'k', value: '20' });
  t.deepEqual(
    (await readAll(brokers, topic)).map(({ value }) => Number(value)),
    Array.from({ length: 21 }, (_, index) => index),
  );
  t.is(back.status.spilledRecords, 0);
});
