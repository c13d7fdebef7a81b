import type { ExecutionContext, TestFn } from 'ava';
import { encodeBody } from '../../bridge/producer/record-body.js';
import type { PartitionBatch, PartitionResult, Sender } from '../../bridge/producer/sender.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

/** A sender, and what the contract needs beside it. */
export interface SenderUnderTest {
  readonly sender: Sender;
  create(topic: string, partitions: number): Promise<void>;
  /** The values of a partition, in the order of the log. */
  log(topic: string, partition: number): Promise<readonly string[]>;
  /** The next batch is written, and its answer gets lost. */
  loseNextAnswer(): void;
  /** One that finds nobody. */
  lonely(): Sender;
}

function batchOf(topic: string, partition: number, values: readonly string[]): PartitionBatch {
  const timestampMs = 1_700_000_000_000;
  const records = values.map((value) => ({
    body: encodeBody({ key: null, value, headers: [] }),
    timestampMs,
  }));
  return { topic, partition, records };
}

/** Over 1 MB, as brokers take them by default. */
const TOO_LARGE = 'x'.repeat(1_500_000);

/** What every way to Kafka promises: run against a real broker and against the double. */
export function senderContract(test: TestFn, open: (t: ExecutionContext) => Promise<SenderUnderTest>): void {
  const topicOf = async (t: ExecutionContext, partitions = 1) => {
    t.timeout(180_000);
    const it = await open(t);
    const topic = unique('sent');
    await it.create(topic, partitions);
    // A broker may say for a moment that it does not know a new topic.
    await until(() => it.sender.partitionsOf(topic), {
      what: 'the topic to be known',
      accept: ({ kind }) => kind === 'partitions',
    });
    return { ...it, topic };
  };
  /** A new partition may have no leader for a moment, and a new broker no ID to give: that is said, and tried again. */
  const written = (sender: Sender, batch: PartitionBatch): Promise<PartitionResult> =>
    until(() => sender.send(batch), {
      what: 'the batch to be written',
      accept: ({ kind }) => kind === 'written',
    });

  test('sender: a topic has its partitions, or is not there', async (t) => {
    const { sender, topic } = await topicOf(t, 3);
    t.deepEqual(await sender.partitionsOf(topic), { kind: 'partitions', count: 3 });
    t.deepEqual(await sender.partitionsOf(unique('nowhere')), { kind: 'unknown-topic' });
  });

  test('sender: batches stand one behind the other, where their answers say', async (t) => {
    const { sender, topic, log } = await topicOf(t, 2);
    const results = [
      await written(sender, batchOf(topic, 0, ['a', 'b'])),
      await written(sender, batchOf(topic, 0, ['c'])),
      await written(sender, batchOf(topic, 1, ['d'])),
    ];
    t.deepEqual(
      results.map((result) => (result.kind === 'written' ? result.baseOffset : result)),
      [0n, 2n, 0n],
    );
    t.deepEqual(await log(topic, 0), ['a', 'b', 'c']);
    t.deepEqual(await log(topic, 1), ['d']);
  });

  test('sender: several partitions at the same time', async (t) => {
    const { sender, topic, log } = await topicOf(t, 4);
    const batches = [0, 1, 2, 3].map((partition) => batchOf(topic, partition, [`p${partition}`]));
    await Promise.all(batches.map((batch) => written(sender, batch)));
    for (const partition of [0, 1, 2, 3]) t.deepEqual(await log(topic, partition), [`p${partition}`]);
  });

  test('sender: an answer that is lost may mean written; sent again as it was, it stands there once, and later ones behind it', async (t) => {
    const { sender, topic, log, loseNextAnswer } = await topicOf(t);
    await written(sender, batchOf(topic, 0, ['before']));
    loseNextAnswer();
    const batch = batchOf(topic, 0, ['x', 'y']);
    t.like(await sender.send(batch), { kind: 'retry', left: true, away: true });
    t.like(await written(sender, batch), { kind: 'written' });
    t.like(await sender.send(batchOf(topic, 0, ['after'])), { kind: 'written' });
    t.deepEqual(await log(topic, 0), ['before', 'x', 'y', 'after']);
  });

  test('sender: what is too large is refused, and nothing of it is written', async (t) => {
    const { sender, topic, log } = await topicOf(t);
    await written(sender, batchOf(topic, 0, ['first']));
    t.like(await sender.send(batchOf(topic, 0, ['small', TOO_LARGE])), { kind: 'refused', tooLarge: true });
    t.like(await sender.send(batchOf(topic, 0, ['next'])), { kind: 'written', baseOffset: 1n });
    t.deepEqual(await log(topic, 0), ['first', 'next']);
  });

  test('sender: a partition that is not there is told from one that has no leader', async (t) => {
    const { sender, topic } = await topicOf(t);
    const result = await sender.send(batchOf(topic, 7, ['x']));
    t.false('left' in result && result.left, result.kind);
    t.not(result.kind, 'written');
    t.deepEqual(
      await sender.send(batchOf(unique('nowhere'), 0, ['x'])).then(({ kind }) => kind),
      'unknown-topic',
    );
  });

  test('sender: a new sequence goes on behind what is there', async (t) => {
    const { sender, topic, log } = await topicOf(t);
    await written(sender, batchOf(topic, 0, ['a']));
    sender.renew(topic, 0);
    t.like(await written(sender, batchOf(topic, 0, ['b'])), { kind: 'written', baseOffset: 1n });
    t.deepEqual(await log(topic, 0), ['a', 'b']);
  });

  test('sender: a topic can be made', async (t) => {
    const { sender } = await open(t);
    const topic = unique('made');
    await sender.createTopic(topic);
    t.like(
      await until(() => sender.partitionsOf(topic), {
        what: 'the new topic to be known',
        accept: ({ kind }) => kind === 'partitions',
      }),
      { kind: 'partitions' },
    );
  });

  test('sender: nobody there is Kafka being away, and nothing has left', async (t) => {
    const { lonely } = await open(t);
    const sender = lonely();
    t.like(await sender.partitionsOf('t'), { kind: 'retry' });
    t.like(await sender.send(batchOf('t', 0, ['x'])), { kind: 'retry', left: false, away: true });
    await t.throwsAsync(sender.createTopic('t'));
    await sender.close();
  });
}
