import { BridgeError } from '../../../bridge/errors.js';
import type { KafkaPlace, KafkaView, OffsetRange } from '../../../bridge/intake/kafka-view.js';
import type { SourceRecord } from '../../../bridge/record.js';
import type { TestMessage } from '../kafka.js';
import { sourceRecord } from './mapped-records.js';

interface Partition {
  readonly records: SourceRecord[];
  /** The first offset that is still there. */
  start: bigint;
  end: bigint;
  committed: bigint | undefined;
}

/** A cluster in memory, as far as operating looks at one. */
export class KafkaViewDouble implements KafkaView {
  /** No answer any more. */
  away = false;
  readonly #topics = new Map<string, Partition[]>();

  create(topic: string, partitions = 1): void {
    this.#topics.set(
      topic,
      Array.from({ length: partitions }, () => ({ records: [], start: 0n, end: 0n, committed: undefined })),
    );
  }

  append(topic: string, messages: readonly TestMessage[]): void {
    for (const { partition = 0, key = null, value, headers = {}, timestamp = Date.now() } of messages) {
      const log = this.#logOf(topic, partition)!;
      log.records.push(
        sourceRecord({
          topic,
          partition,
          offset: log.end++,
          timestampMs: timestamp,
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, one]) => [name, Buffer.from(one as string)]),
          ),
        }),
      );
    }
  }

  /** What is never handed on: a transaction's marker, or what the cleaner has removed. */
  gap(topic: string, partition = 0, offsets = 1): void {
    this.#logOf(topic, partition)!.end += BigInt(offsets);
  }

  /** Retention has passed for what stands before. */
  expire(topic: string, partition: number, start: bigint): void {
    this.#logOf(topic, partition)!.start = start;
  }

  commit(topic: string, partition: number, offset: bigint): void {
    this.#logOf(topic, partition)!.committed = offset;
  }

  async place(at: Pick<KafkaPlace, 'topic' | 'partition' | 'offset'>): Promise<KafkaPlace> {
    if (this.away) return { ...at, committed: undefined, inLog: undefined };
    const log = this.#logOf(at.topic, at.partition);
    const offset = BigInt(at.offset);
    return {
      ...at,
      committed: log?.committed !== undefined && log.committed > offset,
      inLog: log !== undefined && log.start <= offset && offset < log.end,
    };
  }

  async ranges(
    topic: string,
    from: bigint | Date,
    to: bigint | Date,
    partition?: number,
  ): Promise<readonly OffsetRange[]> {
    this.#answer(topic);
    const logs = this.#topics.get(topic);
    if (!logs) throw new BridgeError('KTB_USAGE', `Expected a topic that exists, got ${topic}`);
    if (partition !== undefined && !logs[partition])
      throw new BridgeError('KTB_USAGE', `Expected a partition of ${topic}, got ${partition}`);
    return logs
      .map((log, index) => ({ log, partition: index }))
      .filter((one) => partition === undefined || one.partition === partition)
      .map(({ log, partition: one }) => {
        const [begin, end] = [offsetAt(log, from), offsetAt(log, to)];
        const cut = { from: begin > log.start ? begin : log.start, to: end < log.end ? end : log.end };
        return { topic, partition: one, ...cut };
      })
      .filter((range) => range.from < range.to);
  }

  async *read(
    { topic, partition, from, to }: OffsetRange,
    signal?: AbortSignal,
  ): AsyncIterable<SourceRecord> {
    const log = this.#logOf(topic, partition);
    for (const record of log?.records ?? []) {
      if (signal?.aborted) return;
      this.#answer(topic);
      if (record.offset < from || record.offset >= to || record.offset < log!.start) continue;
      await new Promise((resolve) => setImmediate(resolve));
      yield record;
    }
  }

  async close(): Promise<void> {}

  #logOf(topic: string, partition: number): Partition | undefined {
    return this.#topics.get(topic)?.[partition];
  }

  #answer(topic: string): void {
    if (this.away) throw new BridgeError('KTB_KAFKA', `${topic} can't be read: Kafka is away`);
  }
}

function offsetAt(log: Partition, at: bigint | Date): bigint {
  if (typeof at === 'bigint') return at;
  return log.records.find(({ timestampMs }) => timestampMs >= at.getTime())?.offset ?? log.end;
}
