import type { Kafka } from 'kafkajs';
import type { ResolvedProducer } from '../config/resolve-producer.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';
import { kafkaClient } from '../intake/kafka-client.js';
import { quietKafkajs } from '../intake/kafkajs-patches.js';
import type { Logger } from '../observe/logger.js';
import { within } from '../timing.js';
import { resultOfError } from './broker-answers.js';
import { codecOf } from './codecs.js';
import {
  clusterOf,
  leaveCluster,
  sendProduce,
  type Cluster,
  type ClusterBroker,
  type TopicMetadata,
} from './kafkajs-cluster.js';
import { decodeProduce, encodeProduce, type ProduceAnswer } from './produce-request.js';
import type { PartitionBatch, PartitionResult, Sender, TopicAnswer } from './sender.js';
import { placeText, Sequences, type ProducerId } from './sequences.js';

export interface KafkaSenderOptions {
  readonly kafka: Pick<ResolvedConfig['kafka'], 'brokers' | 'clientId' | 'ssl' | 'sasl'>;
  readonly producer: Pick<ResolvedProducer, 'compression' | 'requestTimeoutMs'>;
  readonly logger: Logger;
  /** How long leaders and partitions are believed without asking again. */
  readonly metadataMaxAgeMs: number;
}

/** A batch on its way to one leader, among others. */
interface Part {
  readonly batch: PartitionBatch;
  readonly resolve: (result: PartitionResult) => void;
}

/** No retries of kafkajs's own: who calls waits out an outage, and is to see that there is one. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 0 };
const ADMIN_RETRY = { ...RETRY, retries: 10 };
const CLOSE_MS = 1_000;
/** Behind kafkajs's own time-out, which says more. */
const SLACK_MS = 2_000;
/** The broker has the batch, but has forgotten where it stands. */
const DUPLICATE = 46;
/** A request over 100 MB is refused by a broker's default (`socket.request.max.bytes`). */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/**
 * Kafka by kafkajs's connections, with sequences of our own. What goes to one leader at the same time goes in one request.
 */
export class KafkaSender implements Sender {
  readonly #kafka: Kafka;
  readonly #metadataMaxAgeMs: number;
  #cluster: Cluster;
  readonly #sequences: Sequences;
  readonly #requestTimeoutMs: number;
  readonly #parts = new Map<ClusterBroker, Part[]>();
  #refreshing: Promise<void> | undefined;
  readonly #asking = new Set<Promise<void>>();
  #closed = false;

  constructor({ kafka, producer, logger, metadataMaxAgeMs }: KafkaSenderOptions) {
    quietKafkajs();
    this.#sequences = new Sequences(codecOf(producer.compression), () => this.#newProducerId());
    this.#requestTimeoutMs = producer.requestTimeoutMs;
    this.#kafka = kafkaClient(kafka, logger, { requestTimeoutMs: producer.requestTimeoutMs, retry: RETRY });
    this.#metadataMaxAgeMs = metadataMaxAgeMs;
    this.#cluster = clusterOf(this.#kafka, metadataMaxAgeMs);
  }

  async partitionsOf(topic: string): Promise<TopicAnswer> {
    const cluster = this.#cluster;
    try {
      await this.#inTime(this.#refresh([topic], true));
    } catch (error) {
      this.#mend(cluster, error);
      return { kind: 'retry', why: messageOf(error) };
    }
    const found = this.#metadataOf(topic);
    if (found === undefined) return { kind: 'retry', why: 'the broker says nothing of this topic' };
    const { result } = resultOfError(found.topicErrorCode);
    if (found.topicErrorCode === 0) return { kind: 'partitions', count: found.partitionMetadata.length };
    if (result.kind === 'unknown-topic') {
      // Asked for no more: names that somebody made up must not grow every later question.
      this.#cluster.targetTopics.delete(topic);
      return { kind: 'unknown-topic' };
    }
    return result.kind === 'refused'
      ? { kind: 'refused', why: result.why }
      : { kind: 'retry', why: (result as { readonly why: string }).why };
  }

  async send(batch: PartitionBatch): Promise<PartitionResult> {
    const cluster = this.#cluster;
    const known = this.#readyNow(batch);
    if (known) return new Promise((resolve) => this.#enqueue(known, { batch, resolve }));
    let ready: ClusterBroker | PartitionResult;
    try {
      ready = await this.#inTime(this.#ready(batch));
    } catch (error) {
      // Nothing has left: it failed before. A broker that says "not now" is there: it may have no producer ID to give yet.
      this.#sequences.forget(batch);
      const away = causeOf(error).name !== 'KafkaJSProtocolError';
      if (away) this.#mend(cluster, error);
      void this.#refresh([batch.topic], true).catch(() => undefined);
      return { kind: 'retry', left: false, away, why: messageOf(error) };
    }
    if ('kind' in ready) return ready;
    const broker = ready;
    return new Promise((resolve) => this.#enqueue(broker, { batch, resolve }));
  }

  renew(topic: string, partition: number): void {
    this.#sequences.renew(topic, partition);
  }

  async createTopic(topic: string): Promise<void> {
    const admin = this.#kafka.admin({ retry: ADMIN_RETRY });
    await admin.connect();
    try {
      // Its wait for leaders goes on behind its own error, and connects again behind the disconnect.
      await admin.createTopics({ topics: [{ topic }], waitForLeaders: false });
    } finally {
      await admin.disconnect();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    // A question that is under way would connect once more behind the disconnect, and keep the process alive.
    await within<unknown>(Promise.allSettled(this.#asking), CLOSE_MS, () => undefined);
    await leaveCluster(this.#cluster);
  }

  /** The leader, where nothing is to be asked and nothing to be connected: nearly always, and then without waiting. */
  #readyNow({ topic, partition }: PartitionBatch): ClusterBroker | undefined {
    const { targetTopics, brokerPool } = this.#cluster;
    if (this.#closed || !targetTopics.has(topic) || !this.#sequences.has(topic, partition)) return undefined;
    const leader = this.#knownLeader(topic, partition);
    const broker = leader === undefined ? undefined : brokerPool.brokers[leader];
    return broker?.isConnected() ? broker : undefined;
  }

  /** All that comes before a request leaves. @returns the leader, connected, or why there is none */
  async #ready(batch: PartitionBatch): Promise<ClusterBroker | PartitionResult> {
    const { topic, partition } = batch;
    const leader = await this.#leaderOf(topic, partition);
    if (leader === undefined) {
      await this.#refresh([topic], true);
      const { result } = resultOfError(this.#metadataOf(topic)?.topicErrorCode ?? 0);
      if (result.kind === 'unknown-topic') return result;
      return { kind: 'retry', left: false, away: false, why: `partition ${partition} has no leader` };
    }
    await this.#sequences.encode(batch);
    return this.#cluster.findBroker({ nodeId: leader });
  }

  /** kafkajs has waits without an end: for a lock, for requests of a connection that is gone. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    const ms = this.#requestTimeoutMs + SLACK_MS;
    return within<T>(work, ms, () => {
      throw new Error(`Kafka has not answered within ${ms} ms`);
    });
  }

  /**
   * A broker that takes a connection and then says nothing is "connected" for kafkajs from then on, though it never was
   * asked for its versions, and every call to it fails. So after what is not plainly a refused connection all
   * connections are made anew; what is under way on the old ones may end there. The sequences are ours, and stay.
   */
  #mend(cluster: Cluster, error: unknown): void {
    if (causeOf(error).name === 'KafkaJSConnectionError' || this.#cluster !== cluster || this.#closed) return;
    this.#cluster = clusterOf(this.#kafka, this.#metadataMaxAgeMs);
    this.#refreshing = undefined;
    this.#sequences.askAnew();
    const leave = (): void => void cluster.disconnect().catch(() => undefined);
    leave();
    // What was on its way to it may have connected once more since then.
    setTimeout(leave, this.#requestTimeoutMs + SLACK_MS).unref();
  }

  async #leaderOf(topic: string, partition: number): Promise<number | undefined> {
    await this.#refresh([topic], false);
    return this.#knownLeader(topic, partition);
  }

  #knownLeader(topic: string, partition: number): number | undefined {
    const found = this.#metadataOf(topic)?.partitionMetadata.find(
      ({ partitionId }) => partitionId === partition,
    );
    return found === undefined || found.leader === -1 ? undefined : (found.leader ?? undefined);
  }

  #metadataOf(topic: string): TopicMetadata | undefined {
    return this.#cluster.brokerPool.metadata?.topicMetadata.find((one) => one.topic === topic);
  }

  /** Metadata of these topics; `again`: of all that are known, as something has moved. */
  async #refresh(topics: readonly string[], again: boolean): Promise<void> {
    if (this.#closed) throw new Error('the producer is closed');
    const asking = this.#ask(topics, again);
    this.#asking.add(asking);
    try {
      await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  async #ask(topics: readonly string[], again: boolean): Promise<void> {
    const cluster = this.#cluster;
    if (!cluster.isConnected()) await cluster.connect();
    if (topics.some((topic) => !cluster.targetTopics.has(topic))) {
      await cluster.addMultipleTargetTopics(topics);
    } else if (again) {
      this.#refreshing ??= cluster.refreshMetadata().finally(() => (this.#refreshing = undefined));
      await this.#refreshing;
    }
  }

  async #newProducerId(): Promise<ProducerId> {
    const broker = await this.#cluster.findControllerBroker();
    const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 60_000 });
    return { producerId: BigInt(String(producerId)), producerEpoch };
  }

  /** What is handed over in the same turn goes together; a tick is behind all of it. */
  #enqueue(broker: ClusterBroker, part: Part): void {
    const waiting = this.#parts.get(broker);
    if (waiting) {
      waiting.push(part);
      return;
    }
    this.#parts.set(broker, [part]);
    process.nextTick(() => {
      const parts = this.#parts.get(broker)!;
      this.#parts.delete(broker);
      void this.#request(broker, parts);
    });
  }

  async #request(broker: ClusterBroker, parts: readonly Part[]): Promise<void> {
    let encoded: readonly Buffer[];
    try {
      encoded = await Promise.all(parts.map(({ batch }) => this.#sequences.encode(batch)));
    } catch (error) {
      const why = messageOf(error);
      for (const { resolve } of parts) resolve({ kind: 'retry', left: false, away: false, why });
      return;
    }
    for (let from = 0; from < parts.length;) {
      let to = from;
      for (let bytes = 0; to < parts.length && (to === from || bytes < MAX_REQUEST_BYTES); to++)
        bytes += encoded[to]!.length;
      void this.#exchange(broker, parts.slice(from, to), encoded.slice(from, to));
      from = to;
    }
  }

  async #exchange(broker: ClusterBroker, parts: readonly Part[], encoded: readonly Buffer[]): Promise<void> {
    const body = encodeProduce(
      parts.map(({ batch: { topic, partition } }, index) => ({ topic, partition, batch: encoded[index]! })),
      this.#requestTimeoutMs,
    );
    const cluster = this.#cluster;
    let answers: readonly ProduceAnswer[];
    try {
      let [connection] = broker.connectionPool.pool;
      if (!connection?.isConnected()) connection = await this.#inTime(broker.connectionPool.getConnection());
      answers = decodeProduce(await this.#inTime(sendProduce(connection, body)));
    } catch (error) {
      this.#mend(cluster, error);
      this.#drop(broker, error);
      const why = messageOf(error);
      const left = why !== 'Not connected' && !/^Connection (?:error: connect|timeout)/.test(why);
      for (const { resolve } of parts) resolve({ kind: 'retry', left, away: true, why });
      return;
    }
    const answerOf = new Map(answers.map((one) => [placeText(one.topic, one.partition), one]));
    let moved = false;
    for (const part of parts) {
      const answer = answerOf.get(placeText(part.batch.topic, part.batch.partition));
      const { result, moved: has } = this.#resultOf(part.batch, answer);
      moved ||= has;
      part.resolve(result);
    }
    if (moved) void this.#refresh([], true).catch(() => undefined);
  }

  #resultOf(
    batch: PartitionBatch,
    answer: ProduceAnswer | undefined,
  ): { readonly result: PartitionResult; readonly moved: boolean } {
    if (answer === undefined) {
      const why = 'the broker says nothing of this partition';
      return { result: { kind: 'retry', left: true, away: false, why }, moved: true };
    }
    if (answer.errorCode !== 0 && answer.errorCode !== DUPLICATE) return resultOfError(answer.errorCode);
    this.#sequences.written(batch);
    const { appendedAtMs } = answer;
    const baseOffset = answer.errorCode === DUPLICATE ? -1n : answer.baseOffset;
    return {
      result: {
        kind: 'written',
        baseOffset,
        appendedAtMs: appendedAtMs < 0 ? undefined : appendedAtMs,
      },
      moved: false,
    };
  }

  /**
   * A connection that was silent for a whole request, or broke, is given up: kafkajs would go on using it, and a
   * firewall that has forgotten it swallows everything until the kernel notices.
   */
  #drop(broker: ClusterBroker, cause: unknown): void {
    const { host, port, pool } = broker.connectionPool;
    const error = new Error(`given up: ${messageOf(cause)}`);
    for (const connection of pool) if (connection.isConnected()) connection.socket?.destroy(error);
    this.#cluster.removeBroker({ host, port });
    void this.#refresh([], true).catch(() => undefined);
  }
}

/** kafkajs wraps what its own retries met. */
function causeOf(error: unknown): Error {
  const { cause = error } = error as { readonly cause?: unknown };
  return cause as Error;
}
