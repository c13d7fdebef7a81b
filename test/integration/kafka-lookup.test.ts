import test from 'ava';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { KafkaLookup } from '../../bridge/intake/kafka-lookup.js';
import { createLogger } from '../../bridge/observe/logger.js';
import { createProducer } from '../../bridge/index.js';
import { createTopic, deleteTopic, logEnds, produce, withAdmin } from '../helpers/kafka.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const opened: KafkaLookup[] = [];

async function open(brokers?: readonly string[]) {
  const stack = (await testStack()).kafka.brokers;
  const config = resolveConfig(
    {
      name: 'looks',
      kafka: { brokers: [...(brokers ?? stack)], groupId: unique('looks') },
      temporal: { taskQueue: 'looks' },
      routes: [{ topic: 'looks', workflow: 'nobodyRunsThis' }],
    },
    { baseDir: '/', env: {} },
  );
  const lookup = new KafkaLookup(config, createLogger({ name: 'test', level: 'silent' }));
  opened.push(lookup);
  return { brokers: stack, lookup };
}

test.after.always(async () => {
  for (const one of opened) await one.close();
});

const at = (topic: string, offset: bigint, timestampMs: number, partition = 0) => ({
  topic,
  partition,
  offset,
  timestampMs,
});

test('the record at a place is found, bytes and headers, also inside of a compressed batch, and many at once', async (t) => {
  const { brokers, lookup } = await open();
  const topic = await createTopic(brokers, unique('looked'), { partitions: 2 });
  await using producer = createProducer({ kafka: { brokers }, producer: { compression: 'gzip' } });
  const places = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      producer.send({
        topic,
        partition: index % 2,
        key: Buffer.from([0xff, index]),
        value: index === 7 ? null : `value ${index}`,
        headers: { n: index },
        timestamp: 1_700_000_000_000 + index,
      }),
    ),
  );
  const found = await Promise.all(
    places.map(({ partition, offset }, index) =>
      lookup.recordAt(at(topic, BigInt(offset), 1_700_000_000_000 + index, partition)),
    ),
  );
  for (const [index, record] of found.entries()) {
    t.deepEqual(record?.key, Buffer.from([0xff, index]));
    t.is(record?.value?.toString(), index === 7 ? undefined : `value ${index}`);
    t.is(record?.headers['n']?.toString(), String(index));
  }
});

test('a record larger than what a fetch asks for comes whole', async (t) => {
  const { brokers, lookup } = await open();
  const topic = await createTopic(brokers, unique('looked'));
  await produce(brokers, topic, [{ value: 'x'.repeat(900_000), timestamp: 5 }]);
  t.is((await lookup.recordAt(at(topic, 0n, 5)))?.value?.length, 900_000);
});

test('what the log has no more, has not yet, or has of another topic of the same name is not found, and no error', async (t) => {
  const { brokers, lookup } = await open();
  const topic = await createTopic(brokers, unique('looked'));
  await produce(brokers, topic, [
    { value: 'a', timestamp: 5 },
    { value: 'b', timestamp: 6 },
  ]);
  t.is((await lookup.recordAt(at(topic, 1n, 6)))?.value?.toString(), 'b');
  t.is(await lookup.recordAt(at(topic, 1n, 7)), undefined, 'another time: another record');
  t.is(await lookup.recordAt(at(topic, 2n, 6)), undefined, "the log's end");
  t.is(await lookup.recordAt(at(topic, 99n, 6)), undefined, 'beyond it');
  await withAdmin(brokers, async (admin) => {
    await admin.fetchTopicOffsets(topic); // kafkajs looks for the leader in what it already knows
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '1' }] });
  });
  t.is(await lookup.recordAt(at(topic, 0n, 5)), undefined, 'deleted');
  t.is((await lookup.recordAt(at(topic, 1n, 6)))?.value?.toString(), 'b');
  t.is(await lookup.recordAt(at(unique('nowhere'), 0n, 5)), undefined, 'no such topic');
  t.is(await lookup.recordAt(at(topic, 0n, 5, 7)), undefined, 'no such partition');
  t.is((await lookup.recordAt(at(topic, 1n, 6)))?.value?.toString(), 'b', 'and it goes on');
  await deleteTopic(brokers, topic);
  t.is(await lookup.recordAt(at(topic, 1n, 6)), undefined, 'the topic was deleted');
});

test('a topic that is missing is made, one that is there stays', async (t) => {
  const { brokers, lookup } = await open();
  const topic = unique('made');
  await lookup.makeTopic(topic);
  await until(async () => (await withAdmin(brokers, (admin) => admin.listTopics())).includes(topic), {
    what: 'the topic',
  });
  await until(() => produce(brokers, topic, [{ value: 'a' }]).catch(() => undefined), { what: 'its leader' });
  await lookup.makeTopic(topic);
  t.is((await logEnds(brokers, topic))[0]!.offset, 1n);
  await lookup.makeTopic('no such name');
});

test('a Kafka that is away is an error, not a record that is gone; after the end nothing is asked', async (t) => {
  const { lookup } = await open(['127.0.0.1:1']);
  await t.throwsAsync(lookup.recordAt(at('a', 0n, 1)));
  await t.throwsAsync(lookup.makeTopic('a'));
  await lookup.close();
  await t.throwsAsync(lookup.recordAt(at('a', 0n, 1)), { message: /closed/ });
});
