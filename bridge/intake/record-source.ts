import type { SourceRecord } from '../record.js';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface CommitEntry extends TopicPartition {
  /** The next offset to be read: the one after the last that is done. */
  readonly position: bigint;
  /**
   * Where routes conflate: below it starts may be under way when another owner comes. Stands in the commit's metadata.
   * See shaping/conflating-queue.ts.
   */
  readonly reach?: bigint;
}

/** What the broker says of a partition's log and of the group's place in it. */
export interface PartitionLog extends TopicPartition {
  /** The first offset that the log still has. */
  readonly start: bigint;
  /** The offset that the next record will get. */
  readonly end: bigint;
}

/** Where the intake wants an assigned partition to be read from; undefined: where the group stands. */
export type PositionWish = TopicPartition & { readonly position: bigint };

/** Told of everything that a source does. All calls are synchronous: they must neither throw nor wait. */
export interface SourceListener {
  /**
   * The authority on what is ours. `rejoined`: the membership is a new one, so others may have owned these partitions
   * meanwhile, and nothing known of them holds.
   * @returns positions of kept partitions, to be read on from
   */
  assigned(partitions: readonly TopicPartition[], rejoined: boolean): readonly PositionWish[];
  /**
   * Where a gained partition stands, as the broker says.
   * @param reach of the last commit, where it has one
   * @returns the offset to read from; undefined where it must not be read
   */
  placed(
    at: TopicPartition,
    committed: bigint | undefined,
    log: PartitionLog,
    reach?: bigint,
  ): bigint | undefined;
  /** Nothing that is still to come lies below `position`: markers, aborted records and gaps were passed. */
  passed(at: TopicPartition, position: bigint): void;
  /** `full`: it was not taken, and must come again. */
  offer(record: SourceRecord, logEnd: bigint): 'taken' | 'seen' | 'full';
  /** Partitions that should not be fetched for now; asked after each assignment and each batch. */
  shouldPause(at: TopicPartition): boolean;
  connected(): void;
  /** `refused`: Kafka is there, and refuses us, or shows a certificate that isn't to be trusted. */
  disconnected(why: string, refused?: boolean): void;
}

/** Kafka, as the intake sees it. */
export interface RecordSource {
  /**
   * Resolves when Kafka answers, however long it is away, or at `signal`.
   * @throws BridgeError `KTB_KAFKA` where it refuses us, or its certificate isn't to be trusted
   */
  open(signal: AbortSignal, onWaiting: (why: string) => void): Promise<void>;
  /** The topics of the subscription that exist. @throws where Kafka is away */
  existingTopics(): Promise<string[]>;
  /** When a fetch was last answered, epoch milliseconds. */
  readonly lastFetchAt: number;
  /** Joins the group, however long Kafka is away. Resolves when it has been joined once, or at `signal`. */
  start(listener: SourceListener, signal: AbortSignal): Promise<void>;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Goes on from another place of an assigned partition. */
  seek(at: TopicPartition, position: bigint): void;
  /** @throws where the broker refused, or this member is no longer the owner */
  commit(entries: readonly CommitEntry[]): Promise<void>;
  /** @throws where Kafka is away; BridgeError `KTB_KAFKA` where it refuses us */
  logs(topics: readonly string[]): Promise<readonly PartitionLog[]>;
  /** Positions that the group has committed, with the metadata beside them. @throws where Kafka is away */
  committed(topics: readonly string[]): Promise<readonly (CommitEntry & { readonly metadata: string })[]>;
  /** `retention.ms` of a topic; undefined where it is not known or endless. */
  retentionMs(topic: string): Promise<number | undefined>;
  /** Throws the consumer away and makes another: what a stuck one needs. */
  rebuild(why: string): Promise<void>;
  stop(deadlineMs: number): Promise<void>;
}
