import type { Kafka, KafkaMessage } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { clusterOf, leaveCluster, type Cluster } from '../producer/kafkajs-cluster.js';
import type { Coordinates, SourceRecord } from '../record.js';
import { within } from '../timing.js';
import { KafkaAdmin } from './kafka-admin.js';
import { kafkaClient } from './kafka-client.js';
import { fetchCommitted } from './kafka-fetch.js';
import { recordOf } from './kafka-record.js';
import { patchKafkajs } from './kafkajs-patches.js';
import type { RecordLookup } from './record-lookup.js';

const METADATA_MAX_AGE_MS = 60_000;
const ANSWER_MS = 10_000;
/** The batch in which the record stands comes whole; no more than that is wanted. */
const FETCH_BYTES = 1;
/** What Kafka says of a record that will not come back. A topic that we no longer may read is as one that is gone. */
const GONE: ReadonlySet<unknown> = new Set([
  'OFFSET_OUT_OF_RANGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'TOPIC_AUTHORIZATION_FAILED',
]);
const GONE_CODES: ReadonlySet<number> = new Set([3, 29]);

/**
 * Single records, by a fetch each. kafkajs has no assignment by hand: its consumer would need a group for that, which
 * takes seconds to form.
 */
export class KafkaLookup implements RecordLookup {
  readonly #kafka: Kafka;
  readonly #admin: KafkaAdmin;
  readonly #logger: Logger;
  #cluster: Promise<Cluster> | undefined;
  /** One fetch at a time: those that find a connection not yet made would make one each, and all but one stay open. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(config: Pick<ResolvedConfig, 'kafka' | 'buffer'>, logger: Logger) {
    patchKafkajs(config.buffer.bytes);
    this.#kafka = kafkaClient(config.kafka, logger);
    this.#admin = new KafkaAdmin(this.#kafka, config.kafka.groupId);
    this.#logger = logger;
  }

  recordAt(at: Coordinates): Promise<SourceRecord | undefined> {
    const turn = this.#last.then(() => this.#recordAt(at));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #recordAt(at: Coordinates): Promise<SourceRecord | undefined> {
    if (this.#closed) throw new Error('The lookup is closed');
    try {
      const messages = await within(this.#fetched(at), ANSWER_MS, () => {
        throw new Error(`Kafka has not answered within ${ANSWER_MS} ms`);
      });
      const message = messages.find(({ offset }) => BigInt(offset) === at.offset);
      if (message === undefined) return undefined;
      const record = recordOf({ topic: at.topic, partition: at.partition }, message);
      // At the same offset of a topic made anew stands another record.
      const same = record.timestampMs === at.timestampMs && record.undecodable === undefined;
      return same ? record : undefined;
    } catch (error) {
      const type = (error as { readonly type?: unknown }).type;
      if (GONE.has(type)) return undefined;
      // Whatever it is (a leader that moved, a connection that broke), the next one begins anew.
      await this.#leave();
      throw error;
    }
  }

  async makeTopic(topic: string): Promise<void> {
    if (this.#closed) throw new Error('The lookup is closed');
    if ((await this.#admin.topics()).includes(topic)) return;
    try {
      // The broker's own number of partitions. kafkajs's wait for leaders gives up at the first "unknown topic".
      await this.#admin.ask((admin) => admin.createTopics({ topics: [{ topic }], waitForLeaders: false }));
      this.#logger.info({ topic }, 'the topic of dead letters was made');
    } catch (error) {
      this.#logger.debug({ topic, reason: messageOf(error) }, 'the topic of dead letters can not be made');
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#leave(), this.#admin.close()]);
  }

  async #fetched({ topic, partition, offset }: Coordinates): Promise<readonly KafkaMessage[]> {
    const cluster = await (this.#cluster ??= this.#connected());
    await cluster.addMultipleTargetTopics([topic]);
    const found = cluster.brokerPool.metadata?.topicMetadata.find((one) => one.topic === topic);
    const place = found?.partitionMetadata.find(({ partitionId }) => partitionId === partition);
    // A topic that was made anew may have fewer partitions.
    if (GONE_CODES.has(found?.topicErrorCode ?? -1) || (found?.topicErrorCode === 0 && !place)) {
      cluster.targetTopics.delete(topic);
      return [];
    }
    const leader = place?.leader ?? -1;
    if (leader < 0) throw new Error(`${topic}/${partition} has no leader`);
    const fetched = await fetchCommitted(cluster, leader, topic, {
      from: new Map([[partition, offset]]),
      waitMs: 0,
      maxBytes: FETCH_BYTES,
    });
    return fetched.flatMap(({ messages }) => messages);
  }

  async #connected(): Promise<Cluster> {
    const cluster = clusterOf(this.#kafka, METADATA_MAX_AGE_MS);
    await cluster.connect();
    return cluster;
  }

  async #leave(): Promise<void> {
    const connecting = this.#cluster;
    this.#cluster = undefined;
    await connecting?.then(leaveCluster).catch(() => undefined);
  }
}
