import { BridgeError } from '../errors.js';
import { delay } from '../timing.js';
import { resultOfError } from './broker-answers.js';
import type { TopicMetadata } from './kafkajs-cluster.js';
import type { SentRecord } from './outgoing.js';
import { partitionOf } from './partitioner.js';
import type { TransactionRecord } from './transaction-encoder.js';
import type { PlacedRecord, TransactionCluster, WrittenPartition } from './transaction-session.js';

/** A topic that has just been made is not known to all brokers at once. */
const MISSING_MS = 5_000;
const RETRY_MS = 200;

/**
 * Gives each record its partition, once: a partitioner that runs again at a retry loses records. Those without a key all go
 * to the partition whose turn it is.
 *
 * @throws BridgeError `KTB_KAFKA`: there is no such topic, or we may not see it
 */
export async function placedRecords(
  cluster: TransactionCluster,
  records: readonly TransactionRecord[],
  turn: number,
): Promise<PlacedRecord[]> {
  const metadata = await metadataOf(cluster, topicsOf(records));
  return records.map((record) => {
    const { topic, key } = record;
    const partitions = metadata.get(topic)!;
    const { length } = partitions;
    const partition = key === null ? turn % length : partitionOf(key, length);
    const leader = partitions.find(({ partitionId }) => partitionId === partition)?.leader ?? -1;
    if (leader < 0) throw new Error(`partition ${partition} of ${topic} has no leader`);
    return { ...record, partition, leader };
  });
}

export function topicsOf(records: readonly TransactionRecord[]): string[] {
  return [...new Set(records.map(({ topic }) => topic))];
}

export function whyOf(code: number): string {
  return (resultOfError(code).result as { readonly why: string }).why;
}

async function metadataOf(
  cluster: TransactionCluster,
  topics: readonly string[],
): Promise<ReadonlyMap<string, TopicMetadata['partitionMetadata']>> {
  const found = new Map<string, TopicMetadata['partitionMetadata']>();
  const isNew = topics.some((topic) => !cluster.targetTopics.has(topic));
  if (isNew) await cluster.addMultipleTargetTopics(topics);
  else await cluster.refreshMetadataIfNecessary();
  for (const began = performance.now(); ; await delay(RETRY_MS)) {
    for (const { topic, topicErrorCode, partitionMetadata } of cluster.brokerPool.metadata?.topicMetadata ??
      []) {
      if (!topics.includes(topic)) continue;
      if (topicErrorCode === 0 && partitionMetadata.length > 0) found.set(topic, partitionMetadata);
      else if (performance.now() - began > MISSING_MS) throw unknown(topic, topicErrorCode);
    }
    if (found.size === topics.length) return found;
    await cluster.refreshMetadata();
  }
}

/** One that is not there, or is not for us, is refused; one that has no leaders yet is not. */
function unknown(topic: string, code: number): Error {
  const message = `Nothing of the transaction was sent: of topic ${topic} ${whyOf(code)}`;
  const { kind } = resultOfError(code).result;
  const isFinal = kind === 'unknown-topic' || kind === 'refused';
  return isFinal ? new BridgeError('KTB_KAFKA', message) : new Error(message);
}

/** Every partition must have answered, once. */
export function placesOf(
  placed: readonly PlacedRecord[],
  written: readonly WrittenPartition[],
): SentRecord[] {
  const next = new Map(
    written.map(({ topic, partition, baseOffset }) => [`${topic}/${partition}`, baseOffset]),
  );
  return placed.map(({ topic, partition, timestampMs: timestamp }) => {
    const at = `${topic}/${partition}`;
    const offset = next.get(at);
    if (offset === undefined || offset < 0n)
      throw new Error(`Expected partition ${partition} of ${topic} to be acknowledged, got nothing`);
    next.set(at, offset + 1n);
    return { topic, partition, offset: offset.toString(), timestamp };
  });
}
