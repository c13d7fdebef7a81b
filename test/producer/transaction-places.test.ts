import test from 'ava';
import { placedRecords, placesOf } from '../../bridge/producer/transaction-places.js';
import type { TransactionCluster } from '../../bridge/producer/transaction-session.js';

const record = (topic: string, key: string | null) => ({
  topic,
  key: key === null ? null : Buffer.from(key),
  value: null,
  headers: [],
  timestampMs: 1_700_000_000_000,
});

/** Topics of so many partitions, each led by broker 7. */
function clusterOf(topics: Readonly<Record<string, number>>, leader = 7): TransactionCluster {
  const topicMetadata = Object.entries(topics).map(([topic, count]) => ({
    topic,
    topicErrorCode: 0,
    partitionMetadata: Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader })),
  }));
  return {
    targetTopics: new Set(Object.keys(topics)),
    refreshMetadataIfNecessary: async () => undefined,
    brokerPool: { metadata: { topicMetadata } },
  } as never;
}

test('records with one key have one partition, those without share the one whose turn it is', async (t) => {
  const cluster = clusterOf({ a: 5, b: 3 });
  const records = [record('a', 'k'), record('a', 'k'), record('b', null), record('b', null)];
  const [first, second, third, fourth] = await placedRecords(cluster, records, 4);
  t.is(first!.partition, second!.partition);
  t.is(third!.partition, 1);
  t.is(fourth!.partition, 1);
  t.is(first!.leader, 7);
});

test('a partition without a leader is tried again', async (t) => {
  const error = await t.throwsAsync(placedRecords(clusterOf({ a: 1 }, -1), [record('a', null)], 0));
  t.is(error.message, 'partition 0 of a has no leader');
});

test('offsets are counted on from what each partition has answered, in the order given', async (t) => {
  const placed = [
    { ...record('a', 'k'), partition: 0, leader: 1 },
    { ...record('a', 'k'), partition: 1, leader: 1 },
    { ...record('a', 'k'), partition: 0, leader: 1 },
  ];
  const written = [
    { topic: 'a', partition: 1, baseOffset: 9n },
    { topic: 'a', partition: 0, baseOffset: 41n },
  ];
  t.deepEqual(
    placesOf(placed, written).map(({ partition, offset }) => [partition, offset]),
    [
      [0, '41'],
      [1, '9'],
      [0, '42'],
    ],
  );
});

test('a partition that has not answered, or not with a place, is no success', (t) => {
  const placed = [{ ...record('a', 'k'), partition: 0, leader: 1 }];
  for (const written of [
    [],
    [{ topic: 'a', partition: 1, baseOffset: 9n }],
    [{ topic: 'a', partition: 0, baseOffset: -1n }],
  ])
    t.throws(() => placesOf(placed, written), { message: /Expected partition 0 of a to be acknowledged/ });
});
