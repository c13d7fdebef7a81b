import type { CommitEntry, PartitionLog, TopicPartition } from './record-source.js';

/** What `ktb doctor` asks of Kafka. Every call throws where Kafka is away or refuses it. */
export interface KafkaInspectorPort {
  cluster(): Promise<{ readonly brokers: number }>;
  topics(): Promise<readonly string[]>;
  logs(topics: readonly string[]): Promise<readonly PartitionLog[]>;
  /** Positions that a group has committed on these topics, with the metadata beside them. */
  committed(topics: readonly string[], groupId?: string): Promise<readonly CommittedEntry[]>;
  /** The config's own group. */
  group(): Promise<GroupFacts>;
  groupIds(): Promise<readonly string[]>;
  /** How long a topic keeps a record: undefined is for ever, as in a compacted topic. */
  keepsForMs(topic: string): Promise<number | undefined>;
  /** The first position of each partition with a record of this time (epoch milliseconds) or later, else the end. */
  positionsSince(topic: string, timestampMs: number): Promise<readonly CommitEntry[]>;
  close(): Promise<void>;
}

export type CommittedEntry = CommitEntry & { readonly metadata: string };

export interface GroupFacts {
  /** As Kafka calls it: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`, `Unknown`. */
  readonly state: string;
  readonly members: readonly {
    readonly clientId: string;
    readonly host: string;
    readonly assigned: readonly TopicPartition[];
  }[];
}
