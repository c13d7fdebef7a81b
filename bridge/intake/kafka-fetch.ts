import type { KafkaMessage } from 'kafkajs';
import type { Cluster, ClusterBroker } from '../producer/kafkajs-cluster.js';

/** What an ordinary consumer says that it is, in Kafka's protocol. */
const NO_REPLICA = -1;
const READ_COMMITTED = 1;

interface FetchingBroker extends ClusterBroker {
  fetch(request: {
    readonly replicaId: number;
    readonly isolationLevel: number;
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly topics: readonly object[];
  }): Promise<{ readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[] }>;
}

/** What a leader has answered of a partition: what was committed, with markers and with what was aborted. */
export interface FetchedPartition {
  readonly partition: number;
  readonly lastStableOffset: string;
  readonly messages: readonly KafkaMessage[];
}

export interface FetchWish {
  /** Of these partitions of the topic, from these offsets on. */
  readonly from: ReadonlyMap<number, bigint>;
  /** How long the broker waits for a record that has not come yet; 0: not at all. */
  readonly waitMs: number;
  /** The batch that stands there comes whole, whatever its size (KIP-74). */
  readonly maxBytes: number;
}

/**
 * One Fetch of a leader, as kafkajs's consumer makes it, without a group: kafkajs has no assignment by hand.
 * @throws what kafkajs throws: its `type` is Kafka's name of the error
 */
export async function fetchCommitted(
  cluster: Cluster,
  nodeId: number,
  topic: string,
  { from, waitMs, maxBytes }: FetchWish,
): Promise<readonly FetchedPartition[]> {
  const broker = (await cluster.findBroker({ nodeId })) as FetchingBroker;
  const { responses } = await broker.fetch({
    replicaId: NO_REPLICA,
    isolationLevel: READ_COMMITTED,
    maxWaitTime: waitMs,
    minBytes: waitMs > 0 ? 1 : 0,
    maxBytes,
    topics: [
      {
        topic,
        partitions: [...from].map(([partition, offset]) => ({
          partition,
          fetchOffset: offset.toString(),
          maxBytes,
        })),
      },
    ],
  });
  return responses.flatMap(({ partitions }) => partitions);
}
