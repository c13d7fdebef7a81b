/**
 * Kafka's Produce request and its answer, version 7: kafkajs's own throws away what the broker said of all partitions
 * but the first that failed.
 */

export interface ProducePart {
  readonly topic: string;
  readonly partition: number;
  /** An encoded record batch. */
  readonly batch: Buffer;
}

export interface ProduceAnswer {
  readonly topic: string;
  readonly partition: number;
  /** Kafka's number of an error; 0 is none. */
  readonly errorCode: number;
  readonly baseOffset: bigint;
  /** Epoch milliseconds, where the topic has the broker's time (`LogAppendTime`); else -1. */
  readonly appendedAtMs: number;
}

export const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: 'Produce' } as const;

const ACKS_OF_ALL = -1;

export function encodeProduce(parts: readonly ProducePart[], timeoutMs: number): Buffer {
  const topics = new Map<string, ProducePart[]>();
  for (const part of parts) {
    const known = topics.get(part.topic);
    if (known) known.push(part);
    else topics.set(part.topic, [part]);
  }
  let size = 2 + 2 + 4 + 4;
  for (const [topic, list] of topics) {
    size += 2 + Buffer.byteLength(topic) + 4;
    for (const { batch } of list) size += 4 + 4 + batch.length;
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = bytes.writeInt16BE(-1, 0); // no transaction
  at = bytes.writeInt16BE(ACKS_OF_ALL, at);
  at = bytes.writeInt32BE(timeoutMs, at);
  at = bytes.writeInt32BE(topics.size, at);
  for (const [topic, list] of topics) {
    at = bytes.writeInt16BE(Buffer.byteLength(topic), at);
    at += bytes.write(topic, at);
    at = bytes.writeInt32BE(list.length, at);
    for (const { partition, batch } of list) {
      at = bytes.writeInt32BE(partition, at);
      at = bytes.writeInt32BE(batch.length, at);
      at += batch.copy(bytes, at);
    }
  }
  return bytes;
}

export function decodeProduce(bytes: Buffer): ProduceAnswer[] {
  let at = 0;
  const int16 = (): number => bytes.readInt16BE((at += 2) - 2);
  const int32 = (): number => bytes.readInt32BE((at += 4) - 4);
  const int64 = (): bigint => bytes.readBigInt64BE((at += 8) - 8);
  const answers: ProduceAnswer[] = [];
  for (let topics = int32(); topics > 0; topics--) {
    const length = int16();
    const topic = bytes.toString('utf8', at, (at += length));
    for (let partitions = int32(); partitions > 0; partitions--) {
      const partition = int32();
      const errorCode = int16();
      const baseOffset = int64();
      const appendedAtMs = Number(int64());
      int64(); // where the log starts
      answers.push({ topic, partition, errorCode, baseOffset, appendedAtMs });
    }
  }
  return answers;
}
