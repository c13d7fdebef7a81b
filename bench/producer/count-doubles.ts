import { randomUUID } from 'node:crypto';
import { kafkaClient, logEnds } from '../../test/helpers/kafka.js';

/** Reads a whole topic whose values begin with their number, and counts: a bit a number, whatever the topic's size. */
export async function countDoubles(
  brokers: readonly string[],
  topic: string,
  expected: number,
): Promise<{ readonly read: number; readonly missing: number; readonly doubled: number }> {
  const seen = new Uint8Array(expected);
  const ends = new Map((await logEnds(brokers, topic)).map(({ partition, offset }) => [partition, offset]));
  const consumer = kafkaClient(brokers).consumer({ groupId: `count-${randomUUID()}`, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let read = 0;
  let doubled = 0;
  const left = new Set([...ends].filter(([, end]) => end > 0n).map(([partition]) => partition));
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) {
            const index = Number.parseInt(String(message.value), 10);
            if (seen[index]) doubled++;
            seen[index] = 1;
            read++;
          }
          if (BigInt(batch.lastOffset()) + 1n >= ends.get(batch.partition)!) left.delete(batch.partition);
          if (left.size === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return { read, missing: seen.reduce((sum, bit) => sum - bit, expected), doubled };
}
