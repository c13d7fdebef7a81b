import test from 'ava';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { BridgeError } from '../../bridge/errors.js';
import { KafkaReader } from '../../bridge/intake/kafka-reader.js';
import { createLogger } from '../../bridge/observe/logger.js';
import { createTopic, kafkaClient, logEnds, produce, readAll, withAdmin } from '../helpers/kafka.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';
import {
  kafkaViewContract,
  numbered,
  recordsOf,
  type KafkaUnderTest,
} from '../intake/kafka-view-contract.js';

interface Opened extends KafkaUnderTest {
  readonly brokers: readonly string[];
  readonly groupId: string;
}

function readerOf(brokers: readonly string[], groupId: string): KafkaReader {
  const config = resolveConfig(
    {
      name: 'viewed',
      kafka: { brokers: [...brokers], groupId },
      temporal: { taskQueue: 'viewed' },
      routes: [{ topic: 'viewed', workflow: 'nobodyRunsThis' }],
    },
    { baseDir: '/', env: {} },
  );
  return new KafkaReader(config, createLogger({ name: 'test', level: 'silent' }));
}

let opened: Promise<Opened> | undefined;

/** One reader for all tests of this file. */
function open(): Promise<Opened> {
  return (opened ??= (async () => {
    const { brokers } = (await testStack()).kafka;
    const groupId = unique('viewer');
    return {
      brokers,
      groupId,
      view: readerOf(brokers, groupId),
      create: async (topic, partitions) => void (await createTopic(brokers, topic, { partitions })),
      append: async (topic, messages) => void (await produce(brokers, topic, messages)),
      commit: (topic, partition, offset) =>
        withAdmin(brokers, (admin) =>
          admin.setOffsets({ groupId, topic, partitions: [{ partition, offset: offset.toString() }] }),
        ),
    };
  })());
}

test.after.always(async () => {
  await (await opened)?.view.close();
});

kafkaViewContract(test, open);

/** A topic, and the stretch that is all of it. */
async function filled(fill: (topic: string, brokers: readonly string[]) => Promise<unknown>, config = {}) {
  const { brokers, view } = await open();
  const topic = await createTopic(brokers, unique('viewed'), { config });
  await fill(topic, brokers);
  const [end] = await logEnds(brokers, topic);
  const all = { topic, partition: 0, from: 0n, to: end!.offset };
  return { view, brokers, topic, all };
}

test('a stretch of large records, of many fetches, is read to its end', async (t) => {
  const value = Buffer.alloc(400_000, 'x');
  const { view, all } = await filled((topic, brokers) =>
    produce(
      brokers,
      topic,
      Array.from({ length: 30 }, () => ({ value })),
    ),
  );
  t.is((await recordsOf(view.read(all))).length, 30);
});

test('whoever reads slowly gets all of it, and no record twice', async (t) => {
  const { view, all } = await filled((topic, brokers) => produce(brokers, topic, numbered(3000)));
  const offsets: bigint[] = [];
  for await (const { offset } of view.read(all)) {
    offsets.push(offset);
    if (offsets.length % 600 === 0) await new Promise((resolve) => setTimeout(resolve, 300));
  }
  t.deepEqual(
    offsets,
    Array.from({ length: 3000 }, (_, index) => BigInt(index)),
  );
});

async function transaction(
  brokers: readonly string[],
  topic: string,
  end: 'commit' | 'abort',
  values: string[],
) {
  const producer = kafkaClient(brokers).producer({
    transactionalId: unique('viewed'),
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  try {
    const open = await producer.transaction();
    const [before] = await logEnds(brokers, topic);
    for (const value of values) await open.send({ topic, acks: -1, messages: [{ partition: 0, value }] });
    await open[end]();
    // The answer comes before the marker stands in the log.
    await until(async () => (await logEnds(brokers, topic))[0]?.offset, {
      what: 'the marker to stand in the log',
      accept: (offset) => offset === before!.offset + BigInt(values.length) + 1n,
    });
  } finally {
    await producer.disconnect();
  }
}

test('a stretch that ends in the marker of a transaction is read to its end', async (t) => {
  const { view, all } = await filled((topic, brokers) => transaction(brokers, topic, 'commit', ['a', 'b']));
  t.is(all.to, 3n);
  t.deepEqual(
    (await recordsOf(view.read(all))).map(({ value }) => value?.toString()),
    ['a', 'b'],
  );
});

test('aborted records are passed by, however many, and what follows is read', async (t) => {
  const { view, all } = await filled(async (topic, brokers) => {
    await transaction(
      brokers,
      topic,
      'abort',
      Array.from({ length: 24 }, () => 'x'.repeat(400_000)),
    );
    await produce(brokers, topic, [{ value: 'after' }]);
  });
  t.deepEqual(
    (await recordsOf(view.read(all))).map(({ value }) => value?.toString()),
    ['after'],
  );
});

test('a stretch under an open transaction ends, without the records that nobody may see yet', async (t) => {
  const { brokers } = await open();
  const producer = kafkaClient(brokers).producer({
    transactionalId: unique('viewed'),
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  let finish: (() => Promise<void>) | undefined;
  const { view, ...filling } = await filled(async (topic) => {
    await produce(brokers, topic, [{ value: 'before' }]);
    const open = await producer.transaction();
    await open.send({ topic, acks: -1, messages: [{ partition: 0, value: 'open' }] });
    finish = () => open.commit();
  });
  // Of the log's end kafkajs knows only what is decided.
  t.is(filling.all.to, 1n);
  const all = { ...filling.all, to: 2n };
  t.deepEqual(
    (await recordsOf(view.read(all))).map(({ value }) => value?.toString()),
    ['before'],
  );
  await finish!();
  await producer.disconnect();
  t.is((await recordsOf(view.read(all))).length, 2);
});

test('a compacted log has gaps, and is read to its end', async (t) => {
  const config = { 'cleanup.policy': 'compact', 'segment.ms': '100', 'min.cleanable.dirty.ratio': '0.001' };
  const { view, brokers, topic, all } = await filled(async (name) => {
    const { brokers: to } = await open();
    for (let index = 0; index < 4; index++) {
      await produce(to, name, [
        { key: 'same', value: `v${index}` },
        { key: `other-${index}`, value: 'o' },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 150)); // so that the segment is rolled
    }
  }, config);
  const left = await until(() => readAll(brokers, topic), {
    what: 'the cleaner to have removed something',
    everyMs: 1000,
    accept: (found) => found.length < 8,
  });
  t.deepEqual(
    (await recordsOf(view.read(all))).map(({ offset }) => offset),
    left.map(({ offset }) => offset),
  );
});

test('the group that reads is gone afterwards, also where the reading was given up', async (t) => {
  const { brokers } = await open();
  const groupId = unique('leaves-nothing');
  const reader = readerOf(brokers, groupId);
  const topic = await createTopic(brokers, unique('viewed'));
  await produce(brokers, topic, numbered(10));
  const range = { topic, partition: 0, from: 0n, to: 10n };
  await recordsOf(reader.read(range));
  for await (const _ of reader.read(range)) break;
  const given = new AbortController();
  for await (const _ of reader.read(range, given.signal)) given.abort();
  const groups = await withAdmin(brokers, (admin) => admin.listGroups());
  t.deepEqual(
    groups.groups.map((group) => group.groupId).filter((name) => name.startsWith(groupId)),
    [],
  );
  await reader.close();
});

test('where Kafka does not answer, a place is not known, and a stretch is an error that can pass', async (t) => {
  const reader = readerOf(['127.0.0.1:1'], unique('away'));
  const at = { topic: 'orders', partition: 0, offset: '7' };
  t.deepEqual(await reader.place(at), { ...at, committed: undefined, inLog: undefined });
  const asked = reader.ranges('orders', 0n, 1n);
  const error = await t.throwsAsync(asked, { instanceOf: BridgeError, code: 'KTB_KAFKA' });
  t.true(error?.retryable);
  await reader.close();
});
