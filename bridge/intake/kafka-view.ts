import type { SourceRecord } from '../record.js';

/** Where a record stands in Kafka. */
export interface KafkaPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** `true`: the group's committed offset is past it. Undefined where Kafka did not answer. */
  readonly committed: boolean | undefined;
  /** `true`: the log still has it. Undefined where Kafka did not answer. */
  readonly inLog: boolean | undefined;
}

/** A stretch of a partition: from `from` up to, and without, `to`. */
export interface OffsetRange {
  readonly topic: string;
  readonly partition: number;
  readonly from: bigint;
  readonly to: bigint;
}

/** What operating asks of Kafka. The adapter is `KafkaReader`. */
export interface KafkaView {
  place(at: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: string;
  }): Promise<KafkaPlace>;
  /** The ranges of all partitions between two places; a number is an offset, a Date the first record at or after it. */
  ranges(
    topic: string,
    from: bigint | Date,
    to: bigint | Date,
    partition?: number,
  ): Promise<readonly OffsetRange[]>;
  /** Committed records of a range, in order, by a consumer group of its own, which it deletes. */
  read(range: OffsetRange, signal?: AbortSignal): AsyncIterable<SourceRecord>;
  close(): Promise<void>;
}
