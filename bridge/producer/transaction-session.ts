import type { TransactionRecord } from './transaction-encoder.js';
import type { Cluster, ClusterBroker } from './kafkajs-cluster.js';
import { delay } from '../timing.js';

/** A record with the partition that it goes to, and the broker that leads it. */
export type PlacedRecord = TransactionRecord & { readonly partition: number; readonly leader: number };

/** How long one request may take: several fit into a transaction. */
export const REQUEST_MS = 10_000;

/** A partition and the offset of the first record that was written to it. */
export interface WrittenPartition {
  readonly topic: string;
  readonly partition: number;
  readonly baseOffset: bigint;
}

interface ProducerIdentity {
  readonly transactionalId: string;
  readonly producerId: unknown;
  readonly producerEpoch: number;
}

/** What of kafkajs's brokers only transactions need. */
interface TransactionBroker extends ClusterBroker {
  initProducerId(options: {
    readonly transactionalId: string;
    readonly transactionTimeout: number;
  }): ReturnType<ClusterBroker['initProducerId']>;
  addPartitionsToTxn(
    request: ProducerIdentity & {
      readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
    },
  ): Promise<unknown>;
  endTxn(request: ProducerIdentity & { readonly transactionResult: boolean }): Promise<unknown>;
  produce(request: ProducerIdentity & { readonly [option: string]: unknown }): Promise<{
    readonly topics: readonly {
      readonly topicName: string;
      readonly partitions: readonly { readonly partition: number; readonly baseOffset: string }[];
    }[];
  }>;
}

export interface TransactionCluster extends Cluster {
  refreshMetadataIfNecessary(): Promise<void>;
  findBroker(node: { readonly nodeId: number }): Promise<TransactionBroker>;
  findGroupCoordinator(group: {
    readonly groupId: string;
    readonly coordinatorType: number;
  }): Promise<TransactionBroker>;
}

/**
 * After so long the broker aborts a transaction that nobody ends, as its process was killed. Until then, and some 10 s
 * more, whoever reads committed records only waits at its partitions.
 */
const TRANSACTION_MS = 15_000;
const COORDINATOR_OF_TRANSACTIONS = 1;
/** Kafka's answers of a coordinator that has moved, has just begun, or is at the markers of the transaction before. */
const NOT_YET: ReadonlySet<number | undefined> = new Set([14, 15, 16, 51]);
const NOT_YET_MS = 10_000;
const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 500;

/** One epoch of a transactional ID. It ends at the first doubt: the next epoch aborts what this one has left open. */
export class TransactionSession {
  readonly #identity: ProducerIdentity;
  readonly #sequences = new Map<string, number>();

  private constructor(identity: ProducerIdentity) {
    this.#identity = identity;
  }

  /** Shuts out every epoch before, and aborts what it has left open. */
  static async begin(cluster: TransactionCluster, transactionalId: string): Promise<TransactionSession> {
    const { producerId, producerEpoch } = await patiently(async () => {
      const coordinator = await coordinatorOf(cluster, transactionalId);
      return coordinator.initProducerId({ transactionalId, transactionTimeout: TRANSACTION_MS });
    });
    return new TransactionSession({ transactionalId, producerId, producerEpoch });
  }

  /** Writes each partition once: what fails is not sent again here. @throws where any of it is in doubt */
  async write(
    cluster: TransactionCluster,
    records: readonly PlacedRecord[],
  ): Promise<readonly WrittenPartition[]> {
    const parts = groupedBy(records, ({ topic, partition }) => `${topic}/${partition}`);
    await patiently(async () => {
      const coordinator = await coordinatorOf(cluster, this.#identity.transactionalId);
      const topics = byTopic(parts, ([{ partition }]) => partition);
      await coordinator.addPartitionsToTxn({
        ...this.#identity,
        topics: topics.map(({ topic, partitions }) => ({ topic, partitions })),
      });
    });
    const leaders = groupedBy(parts, ([{ leader }]) => leader);
    const answers = await Promise.all(
      leaders.map(async (list) => {
        const broker = await cluster.findBroker({ nodeId: list[0][0].leader });
        const topicData = byTopic(list, (part) => this.#partOf(part));
        return broker.produce({ ...this.#identity, acks: -1, timeout: REQUEST_MS, topicData });
      }),
    );
    return answers.flatMap(({ topics }) =>
      topics.flatMap(({ topicName: topic, partitions }) =>
        partitions.map(({ partition, baseOffset }) => ({ topic, partition, baseOffset: BigInt(baseOffset) })),
      ),
    );
  }

  /** Said again, it is the same: what is committed is committed. */
  async commit(cluster: TransactionCluster): Promise<void> {
    await patiently(async () => {
      const coordinator = await coordinatorOf(cluster, this.#identity.transactionalId);
      await coordinator.endTxn({ ...this.#identity, transactionResult: true });
    });
  }

  #partOf(part: Group<PlacedRecord>) {
    const [{ topic, partition }] = part;
    const key = `${topic}/${partition}`;
    const firstSequence = this.#sequences.get(key) ?? 0;
    this.#sequences.set(key, firstSequence + part.length);
    return { partition, firstSequence, messages: part.map(messageOf) };
  }
}

/** The number of Kafka's own error, through what kafkajs wraps around it; undefined: it was not Kafka that said so. */
export function kafkaCodeOf(error: unknown): number | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { name, code } = at as { readonly name: string; readonly code?: unknown };
    if (name.startsWith('KafkaJS') && typeof code === 'number') return code;
  }
  return undefined;
}

async function coordinatorOf(
  cluster: TransactionCluster,
  transactionalId: string,
): Promise<TransactionBroker> {
  return cluster.findGroupCoordinator({
    groupId: transactionalId,
    coordinatorType: COORDINATOR_OF_TRANSACTIONS,
  });
}

async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const began = performance.now();
  for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(LAST_RETRY_MS, retryMs * 2)) {
    try {
      return await ask();
    } catch (error) {
      if (!isNotYet(error) || performance.now() - began > NOT_YET_MS) throw error;
      await delay(retryMs);
    }
  }
}

function isNotYet(error: unknown): boolean {
  // What kafkajs makes of a coordinator that is not there, as before a cluster's first transaction.
  const missing = error instanceof Error && error.name === 'KafkaJSGroupCoordinatorNotFound';
  return missing || NOT_YET.has(kafkaCodeOf(error));
}

type Group<T> = readonly [T, ...T[]];

function groupedBy<T>(list: readonly T[], keyOf: (one: T) => unknown): Group<T>[] {
  const groups = new Map<unknown, [T, ...T[]]>();
  for (const one of list) {
    const group = groups.get(keyOf(one));
    if (group) group.push(one);
    else groups.set(keyOf(one), [one]);
  }
  return [...groups.values()];
}

function byTopic<T>(parts: readonly Group<PlacedRecord>[], partOf: (part: Group<PlacedRecord>) => T) {
  return groupedBy(parts, ([{ topic }]) => topic).map((list) => ({
    topic: list[0][0].topic,
    partitions: list.map(partOf),
  }));
}

/** As kafkajs takes it: a header that stands several times is an array. */
function messageOf({ key, value, headers, timestampMs }: PlacedRecord) {
  const names = groupedBy(headers, ([name]) => name);
  return {
    key,
    value,
    timestamp: String(timestampMs),
    headers: Object.fromEntries(names.map((same) => [same[0][0], same.map(([, bytes]) => bytes)])),
  };
}
