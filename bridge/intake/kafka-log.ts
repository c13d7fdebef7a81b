import { createRequire } from 'node:module';
import type { Kafka, KafkaMessage } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError, messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { clusterOf, leaveCluster, type Cluster } from '../producer/kafkajs-cluster.js';
import type { SourceRecord } from '../record.js';
import { delay } from '../timing.js';
import { KafkaAdmin } from './kafka-admin.js';
import { kafkaClient } from './kafka-client.js';
import { fetchCommitted, type FetchedPartition } from './kafka-fetch.js';
import { recordOf } from './kafka-record.js';
import { patchKafkajs } from './kafkajs-patches.js';
import { LogPositions, type Fetched } from './log-positions.js';
import { LogOutage } from './log-outage.js';
import type { PartitionLog } from './record-source.js';

const require = createRequire(import.meta.url);

/** How long the broker waits for a record that has not come yet. */
const WAIT_MS = 500;
const FETCH_BYTES = 4 * 1024 * 1024;
/** How often it is asked for partitions that have come to the topic, and for leaders that have moved. */
const METADATA_MS = 10_000;
const AGAIN_MS = 500;

/** How Kafka is reached. */
export type KafkaAccess = Pick<ResolvedConfig['kafka'], 'brokers' | 'clientId' | 'ssl' | 'sasl'>;

/** Offsets by partition. */
export type Offsets = ReadonlyMap<number, bigint>;

export interface LogReadOptions {
  /** Where each partition ends; one that is not named is not read. @default it goes on */
  readonly to?: Offsets;
  /** Also what comes to partitions that the topic gets later. @default false */
  readonly discover?: boolean;
  readonly signal?: AbortSignal;
  /** How long Kafka may be away. @default 30000 */
  readonly patienceMs?: number;
  /** Kafka is away, and why; undefined: it is back. */
  readonly onAway?: (why: string | undefined) => void;
}

/** kafkajs's own: without aborted transactions, and without their markers. */
type Batch = new (
  topic: string,
  fetchedOffset: string,
  partition: FetchedPartition,
) => { readonly messages: readonly KafkaMessage[]; readonly rawMessages: readonly KafkaMessage[] };

/**
 * Reads a topic beside the bridge, from the leaders of its partitions: no group is joined, nothing is committed, and a
 * process that is killed leaves nothing behind.
 */
export class KafkaLog {
  readonly #kafka: Kafka;
  readonly #admin: KafkaAdmin;
  readonly #Batch: Batch;

  constructor(access: KafkaAccess, logger: Logger, maxBatchBytes: number) {
    patchKafkajs(maxBatchBytes);
    this.#kafka = kafkaClient(access, logger);
    this.#admin = new KafkaAdmin(this.#kafka, '');
    this.#Batch = require('kafkajs/src/consumer/batch.js') as Batch;
  }

  /** @throws BridgeError `KTB_USAGE`: there is no such topic; `KTB_KAFKA` */
  async logs(topic: string): Promise<readonly PartitionLog[]> {
    const logs = await this.#asked(topic, () => this.#admin.logs([topic]));
    if (logs.length > 0) return logs.toSorted((one, other) => one.partition - other.partition);
    throw new BridgeError('KTB_USAGE', `Expected a topic that exists, got ${JSON.stringify(topic)}`);
  }

  /** By partition: the first record at or after a time; partitions without one are left out. @throws BridgeError `KTB_KAFKA` */
  offsetsAt(topic: string, time: Date): Promise<Offsets> {
    return this.#asked(topic, () => this.#admin.offsetsAt(topic, time.getTime()));
  }

  /**
   * Committed records from these offsets on; in order within a partition. An offset that is not there any more begins
   * at the first that is.
   * @throws BridgeError `KTB_KAFKA`: it is away for longer than there is patience
   */
  async *read(topic: string, from: Offsets, options: LogReadOptions = {}): AsyncIterable<SourceRecord> {
    const { signal, to } = options;
    const positions = new LogPositions(from, to);
    const outage = new LogOutage(topic, options);
    const cluster = clusterOf(this.#kafka, METADATA_MS);
    const stopped = new Promise<undefined>((resolve) =>
      signal?.addEventListener('abort', () => resolve(undefined), { once: true }),
    );
    const underWay = new Map<number, Promise<readonly [node: number, Fetched[]]>>();
    let leaders = new Map<number, number>();
    let askedAt = -Infinity;
    try {
      for (; !positions.over;) {
        if (signal?.aborted) return;
        try {
          if (performance.now() - askedAt >= METADATA_MS) {
            leaders = await leadersOf(cluster, topic, askedAt !== -Infinity);
            askedAt = performance.now();
            if (options.discover) positions.discover(leaders.keys());
          }
          for (const [node, partitions] of byNode(leaders, positions.open))
            if (!underWay.has(node))
              underWay.set(node, this.#fetch(cluster, node, topic, partitions, positions));
          if (underWay.size === 0) throw new Error('no partition has a leader');
          const next = await Promise.race([...underWay.values(), stopped]);
          if (next === undefined) return;
          underWay.delete(next[0]);
          outage.over();
          for (const fetched of next[1]) {
            for (const message of positions.take(fetched)) {
              yield recordOf({ topic, partition: fetched.partition }, message as KafkaMessage);
              if (signal?.aborted) return;
            }
          }
        } catch (error) {
          if (error instanceof ReadFault) underWay.delete(error.node);
          if (error instanceof ReadFault && error.outOfRange)
            await this.#intoRange(topic, positions).catch((away: unknown) => outage.goesOn(away));
          else outage.goesOn(error);
          askedAt = -Infinity;
          await delay(AGAIN_MS, signal);
        }
      }
    } finally {
      for (const one of underWay.values()) one.catch(() => undefined);
      await leaveCluster(cluster);
    }
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }

  async #fetch(
    cluster: Cluster,
    node: number,
    topic: string,
    partitions: readonly number[],
    positions: LogPositions,
  ): Promise<readonly [number, Fetched[]]> {
    try {
      const from = new Map(partitions.map((partition) => [partition, positions.of(partition)]));
      const wish = { from, waitMs: WAIT_MS, maxBytes: FETCH_BYTES };
      const answers = await fetchCommitted(cluster, node, topic, wish);
      return [node, answers.map((one) => this.#fetchedOf(topic, from.get(one.partition)!, one))];
    } catch (error) {
      throw new ReadFault(node, error);
    }
  }

  #fetchedOf(topic: string, asked: bigint, answer: FetchedPartition): Fetched {
    const { rawMessages, messages } = new this.#Batch(topic, asked.toString(), answer);
    return {
      partition: answer.partition,
      from: asked,
      messages,
      last: rawMessages.length === 0 ? undefined : BigInt(rawMessages.at(-1)!.offset),
      stableEnd: BigInt(answer.lastStableOffset),
    };
  }

  async #intoRange(topic: string, positions: LogPositions): Promise<void> {
    for (const { partition, start, end } of await this.logs(topic)) positions.clamp(partition, start, end);
  }

  async #asked<T>(topic: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw new BridgeError('KTB_KAFKA', `Kafka does not tell where ${topic} stands: ${messageOf(error)}`, {
        cause: error,
        retryable: true,
      });
    }
  }
}

/** What a leader did not answer. */
class ReadFault extends Error {
  readonly node: number;
  readonly outOfRange: boolean;

  constructor(node: number, cause: unknown) {
    super(messageOf(cause), { cause });
    this.node = node;
    this.outOfRange = (cause as { readonly type?: string }).type === 'OFFSET_OUT_OF_RANGE';
  }
}

async function leadersOf(cluster: Cluster, topic: string, again: boolean): Promise<Map<number, number>> {
  if (!cluster.isConnected()) await cluster.connect();
  if (cluster.targetTopics.has(topic) && again) await cluster.refreshMetadata();
  else await cluster.addMultipleTargetTopics([topic]);
  const found = cluster.brokerPool.metadata?.topicMetadata.find((one) => one.topic === topic);
  return new Map(
    (found?.partitionMetadata ?? [])
      .filter(({ leader }) => leader !== null && leader !== -1)
      .map(({ partitionId, leader }) => [partitionId, leader!]),
  );
}

function byNode(leaders: ReadonlyMap<number, number>, open: readonly number[]): Map<number, number[]> {
  const nodes = new Map<number, number[]>();
  for (const partition of open) {
    const leader = leaders.get(partition);
    if (leader === undefined) continue;
    const led = nodes.get(leader);
    if (led) led.push(partition);
    else nodes.set(leader, [partition]);
  }
  return nodes;
}
