import type { TestFn } from 'ava';
import { BridgeError } from '../../bridge/errors.js';
import type { KafkaView, OffsetRange } from '../../bridge/intake/kafka-view.js';
import type { SourceRecord } from '../../bridge/record.js';
import type { TestMessage } from '../helpers/kafka.js';
import { unique } from '../helpers/stack.js';

/** A view, and what the contract needs beside it. */
export interface KafkaUnderTest {
  readonly view: KafkaView;
  create(topic: string, partitions: number): Promise<void>;
  append(topic: string, messages: readonly TestMessage[]): Promise<void>;
  /** As the bridge's own group. */
  commit(topic: string, partition: number, offset: bigint): Promise<void>;
}

export async function recordsOf(records: AsyncIterable<SourceRecord>): Promise<SourceRecord[]> {
  const all: SourceRecord[] = [];
  for await (const one of records) all.push(one);
  return all;
}

export const numbered = (count: number, fields: Partial<TestMessage> = {}): TestMessage[] =>
  Array.from({ length: count }, (_, index) => ({ value: `v${index}`, ...fields }));

/** What every view of Kafka promises: run against a real broker and against the double. */
export function kafkaViewContract(test: TestFn, open: () => Promise<KafkaUnderTest>): void {
  const topicOf = async (partitions = 1) => {
    const it = await open();
    const topic = unique('viewed');
    await it.create(topic, partitions);
    const range = (from: bigint, to: bigint, partition = 0): OffsetRange => ({ topic, partition, from, to });
    return { ...it, topic, range, put: (messages: readonly TestMessage[]) => it.append(topic, messages) };
  };

  test('a stretch is read in order, without what stands before and after it', async (t) => {
    const { view, range, put } = await topicOf();
    await put(numbered(50));
    const read = await recordsOf(view.read(range(10n, 20n)));
    t.deepEqual(
      read.map(({ offset, value }) => [offset, value?.toString()]),
      Array.from({ length: 10 }, (_, index) => [BigInt(10 + index), `v${10 + index}`]),
    );
  });

  test('a record comes with its key, headers and time; a tombstone stays one', async (t) => {
    const { view, topic, range, put } = await topicOf();
    const timestamp = Date.now() - 60_000;
    await put([
      { key: 'k', value: 'v', headers: { 'event-type': 'placed' }, timestamp },
      { key: null, value: null, timestamp: timestamp + 1 },
    ]);
    const [first, second] = await recordsOf(view.read(range(0n, 2n)));
    t.like(first, { topic, partition: 0, offset: 0n, timestampMs: timestamp });
    t.is(first?.key?.toString(), 'k');
    t.is(String(first?.headers['event-type']), 'placed');
    t.is(second?.key, null);
    t.is(second?.value, null);
  });

  test('one of many partitions is read alone', async (t) => {
    const { view, range, put } = await topicOf(40);
    await put(Array.from({ length: 40 }, (_, partition) => ({ partition, value: `p${partition}` })));
    const read = await recordsOf(view.read(range(0n, 1n, 37)));
    t.deepEqual(
      read.map(({ partition, value }) => [partition, value?.toString()]),
      [[37, 'p37']],
    );
  });

  test('an empty stretch has no records', async (t) => {
    const { view, range, put } = await topicOf();
    await put(numbered(3));
    t.deepEqual(await recordsOf(view.read(range(2n, 2n))), []);
  });

  test('a reading that is given up ends, without an error; one that was given up before begins nothing', async (t) => {
    const { view, range, put } = await topicOf();
    await put(numbered(20));
    const given = new AbortController();
    for await (const { offset } of view.read(range(0n, 1000n), given.signal))
      if (offset === 5n) given.abort();
    t.deepEqual(await recordsOf(view.read(range(0n, 20n), given.signal)), []);
  });

  test('who wants no more just stops', async (t) => {
    const { view, range, put } = await topicOf();
    await put(numbered(20));
    for await (const { offset } of view.read(range(0n, 20n))) {
      t.is(offset, 0n);
      break;
    }
  });

  test('a place is committed where the group is past it, and in the log where the log has it', async (t) => {
    const { view, topic, put, commit } = await topicOf();
    await put(numbered(3));
    await commit(topic, 0, 2n);
    const at = (offset: string) => ({ topic, partition: 0, offset });
    t.deepEqual(await view.place(at('1')), { ...at('1'), committed: true, inLog: true });
    t.deepEqual(await view.place(at('2')), { ...at('2'), committed: false, inLog: true });
    t.deepEqual(await view.place(at('3')), { ...at('3'), committed: false, inLog: false });
    const nowhere = { topic: unique('nowhere'), partition: 0, offset: '0' };
    t.deepEqual(await view.place(nowhere), { ...nowhere, committed: false, inLog: false });
  });

  test('a stretch by offsets is cut to what the log has; partitions without any of it are left out', async (t) => {
    const { view, topic, put } = await topicOf(3);
    await put([...numbered(5), ...numbered(2, { partition: 2 })]);
    t.deepEqual(await view.ranges(topic, 3n, 100n), [{ topic, partition: 0, from: 3n, to: 5n }]);
    t.deepEqual(await view.ranges(topic, 0n, 100n, 2), [{ topic, partition: 2, from: 0n, to: 2n }]);
    t.deepEqual(await view.ranges(topic, 0n, 100n, 1), []);
    t.deepEqual(await view.ranges(topic, 4n, 4n), []);
    t.deepEqual(await view.ranges(topic, 4n, 1n), []);
  });

  test('a stretch by time begins with the first record at or after it, in every partition', async (t) => {
    const { view, topic, put } = await topicOf(3);
    const noon = Date.now() - 3_600_000;
    for (const partition of [0, 1])
      for (const minute of [0, 1, 2, 3])
        await put([{ partition, value: `${minute}`, timestamp: noon + minute * 60_000 + partition }]);
    const minute = (count: number) => new Date(noon + count * 60_000);
    t.deepEqual(await view.ranges(topic, minute(1), minute(3)), [
      { topic, partition: 0, from: 1n, to: 3n },
      { topic, partition: 1, from: 1n, to: 3n },
    ]);
    t.deepEqual(
      (await view.ranges(topic, minute(-5), minute(100))).map(({ from, to }) => [from, to]),
      [
        [0n, 4n],
        [0n, 4n],
      ],
    );
    t.deepEqual(
      await view.ranges(topic, minute(50), minute(100)),
      [],
      'after the last record there is nothing',
    );
    t.deepEqual(await view.ranges(topic, 2n, minute(3), 1), [{ topic, partition: 1, from: 2n, to: 3n }]);
  });

  test('a topic or a partition that is not there is wrong use', async (t) => {
    const { view, topic } = await topicOf(2);
    for (const asked of [view.ranges(unique('nowhere'), 0n, 1n), view.ranges(topic, 0n, 1n, 2)]) {
      const error = await t.throwsAsync(asked, { instanceOf: BridgeError });
      t.is(error?.code, 'KTB_USAGE');
      t.regex(error!.message, /^Expected a (topic|partition)/);
    }
  });
}
