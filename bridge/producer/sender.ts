import type { BatchRecord } from './record-batch.js';

/** Records of one partition, to be written in this order. Sent again, it is the same object: the same bytes. */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly BatchRecord[];
}

/**
 * What became of a batch.
 * `written`: it is in the log, once, whatever was tried before.
 * `retry`: not known to be in the log. `left` says whether it may be; `away`, whether the cause is Kafka itself.
 * `refused`: this attempt wrote nothing, and no repetition will.
 * `out-of-sequence`: this attempt wrote nothing, and the broker takes nothing more of this sequence.
 */
export type PartitionResult =
  | Written
  | { readonly kind: 'retry'; readonly left: boolean; readonly away: boolean; readonly why: string }
  | { readonly kind: 'unknown-topic'; readonly why: string }
  | { readonly kind: 'refused'; readonly tooLarge: boolean; readonly why: string }
  | { readonly kind: 'out-of-sequence'; readonly why: string };

export interface Written {
  readonly kind: 'written';
  /** -1: it is known to be there, but not where. */
  readonly baseOffset: bigint;
  /** Epoch milliseconds, where the topic has the broker's time. */
  readonly appendedAtMs: number | undefined;
}

export type TopicAnswer =
  | { readonly kind: 'partitions'; readonly count: number }
  | { readonly kind: 'unknown-topic' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'retry'; readonly why: string };

/**
 * The way to Kafka. A partition has at most one batch under way; what was sent and not `written` or `refused` is sent
 * again, the same object, before anything else of its partition. Nothing here throws.
 */
export interface Sender {
  partitionsOf(topic: string): Promise<TopicAnswer>;
  send(batch: PartitionBatch): Promise<PartitionResult>;
  /** A new sequence for a partition. Only where no batch may still be in the log unknown, or its fate was said to be unknown. */
  renew(topic: string, partition: number): void;
  createTopic(topic: string): Promise<void>;
  close(): Promise<void>;
}
