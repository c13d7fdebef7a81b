import type { Consumer, EachBatchPayload } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import { connectionFault } from '../connections/connection-fault.js';
import { awayReason, refusalOf } from '../connections/refusal.js';
import { kafkaService, type Service } from '../connections/service.js';
import { BridgeError, messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { delay, within } from '../timing.js';
import { kafkaClient } from './kafka-client.js';
import { KafkaAdmin } from './kafka-admin.js';
import { recordOf } from './kafka-record.js';
import { NOT_RUNNING, patchKafkajs } from './kafkajs-patches.js';
import { commitMetadata, reachIn, type SubscriptionMark } from './subscription.js';
import type {
  CommitEntry,
  PartitionLog,
  RecordSource,
  SourceListener,
  TopicPartition,
} from './record-source.js';

export interface KafkaSourceOptions {
  /** It stands in the metadata of every commit. */
  readonly mark: SubscriptionMark;
  readonly kafka: ResolvedConfig['kafka'];
  readonly topics: readonly (string | RegExp)[];
  /** Bytes that one batch may unpack to. */
  readonly maxBatchBytes: number;
  readonly logger: Logger;
  /** How often topics are looked for that did not exist before. @default 10000 */
  readonly topicRefreshMs?: number;
}

/** How long a consumer that is thrown away gets to leave; its successor does not wait longer. */
const LEAVE_MS = 5_000;

/** Kafka by kafkajs. What it does otherwise than one would think is noted where it forces the code. */
export class KafkaSource implements RecordSource {
  readonly #options: KafkaSourceOptions;
  readonly #kafka;
  readonly #admin: KafkaAdmin;
  readonly #service: Service;
  #consumer: Consumer | undefined;
  #listener: SourceListener | undefined;
  #signal: AbortSignal = new AbortController().signal;
  #memberId: string | undefined;
  /** Counts joins: an answer that was asked for before the last one is stale. */
  #join = 0;
  #assigned: readonly TopicPartition[] = [];
  #subscribed = new Set<string>();
  #building: Promise<void> = Promise.resolve();
  #lastFetchAt = Date.now();
  #stopped = false;

  constructor(options: KafkaSourceOptions) {
    this.#options = options;
    patchKafkajs(options.maxBatchBytes);
    this.#kafka = kafkaClient(options.kafka, options.logger);
    this.#admin = new KafkaAdmin(this.#kafka, options.kafka.groupId);
    this.#service = kafkaService(options.kafka);
  }

  get lastFetchAt(): number {
    return this.#lastFetchAt;
  }

  get topics(): readonly string[] {
    return [...this.#subscribed];
  }

  async open(signal: AbortSignal, onWaiting: (why: string) => void): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#admin.topics();
        return;
      } catch (error) {
        await this.#admin.close();
        const refusal = await refusalOf(error, this.#service);
        if (signal.aborted) return;
        if (refusal) throw refusal;
        onWaiting(awayReason(error, this.#service));
        await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
      }
    }
  }

  async existingTopics(): Promise<string[]> {
    const all = await this.#admin.topics();
    return all.filter(
      (topic) => !topic.startsWith('__') && this.#options.topics.some((wanted) => matches(wanted, topic)),
    );
  }

  async start(listener: SourceListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    this.#signal = signal;
    void this.#watchTopics();
    await this.#rebuild();
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#withConsumer((consumer) => consumer.pause(byTopic(partitions)));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#withConsumer((consumer) => consumer.resume(byTopic(partitions)));
  }

  seek({ topic, partition }: TopicPartition, position: bigint): void {
    this.#withConsumer((consumer) => consumer.seek({ topic, partition, offset: position.toString() }));
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    // A commit of somebody who isn't the owner is taken by the broker and rewinds the group: only what is ours now.
    const ours = new Set(this.#assigned.map(textOf));
    const offsets = entries
      .filter((entry) => ours.has(textOf(entry)))
      .map(({ topic, partition, position, reach }) => ({
        topic,
        partition,
        offset: position.toString(),
        metadata: commitMetadata(this.#options.mark, reach),
      }));
    if (!this.#consumer) throw new Error('There is no consumer');
    if (offsets.length > 0) await this.#consumer.commitOffsets(offsets);
    // Whoever goes by a commit (a record may start now) must not take what was left out for committed.
    if (offsets.length < entries.length) throw new Error('Some of the partitions are not ours now');
  }

  async logs(topics: readonly string[]): Promise<readonly PartitionLog[]> {
    try {
      return await this.#admin.logs(topics);
    } catch (error) {
      throw (await refusalOf(error, this.#service)) ?? error;
    }
  }

  committed(topics: readonly string[]): Promise<readonly (CommitEntry & { readonly metadata: string })[]> {
    return this.#admin.committed(topics);
  }

  retentionMs(topic: string): Promise<number | undefined> {
    return this.#admin.retentionMs(topic);
  }

  rebuild(why: string): Promise<void> {
    this.#listener?.disconnected(why);
    return this.#rebuild();
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true;
    this.#assigned = [];
    const consumer = this.#consumer;
    this.#consumer = undefined;
    // With the broker down a disconnect hangs until its retries run out.
    await within(
      Promise.allSettled([consumer?.disconnect(), this.#admin.close()]).then(() => undefined),
      deadlineMs,
      () => undefined,
    );
  }

  /**
   * kafkajs throws where its consumer has not begun to run, as one that is being rebuilt: it then has no partition, and
   * what is paused and where it reads on is asked when it joins. A drain in that moment must not fail.
   */
  #withConsumer(tell: (consumer: Consumer) => void): void {
    try {
      if (this.#consumer) tell(this.#consumer);
    } catch (error) {
      if (!NOT_RUNNING.test(messageOf(error))) throw error;
    }
  }

  /** One at a time: two consumers of one process in one group would take each other's partitions. */
  #rebuild(): Promise<void> {
    this.#building = this.#building.catch(() => undefined).then(() => this.#build());
    return this.#building;
  }

  async #build(): Promise<void> {
    const old = this.#consumer;
    this.#consumer = undefined;
    this.#assigned = [];
    if (old) await within(old.disconnect(), LEAVE_MS, () => undefined).catch(() => undefined);
    for (let attempt = 0; !this.#signal.aborted && !this.#stopped; attempt++) {
      try {
        await this.open(this.#signal, (why) => this.#listener?.disconnected(why));
        const topics = await this.existingTopics();
        if (topics.length > 0) return await this.#run(topics);
        if (attempt === 0)
          this.#listener?.disconnected(`none of the topics exists yet: ${this.#options.topics.join(', ')}`);
        await delay(Math.min(5_000, 500 * 2 ** attempt), this.#signal);
      } catch (error) {
        if (this.#signal.aborted || this.#stopped) return;
        // A refusal is waited out too, once we run: credentials and certificates are renewed while others use them.
        const refusal = error instanceof BridgeError ? error : await refusalOf(error, this.#service);
        this.#listener?.disconnected(messageOf(refusal ?? error), refusal !== undefined);
        await delay(Math.min(10_000, 500 * 2 ** attempt), this.#signal);
      }
    }
  }

  async #run(topics: readonly string[]): Promise<void> {
    const { kafka } = this.#options;
    const consumer = this.#kafka.consumer({
      groupId: kafka.groupId,
      sessionTimeout: kafka.sessionTimeoutMs,
      heartbeatInterval: Math.min(3_000, Math.floor(kafka.sessionTimeoutMs / 3)),
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: kafka.maxWaitTimeMs,
      maxBytes: 1024 * 1024,
      maxBytesPerPartition: 256 * 1024,
      metadataMaxAge: 30_000,
      readUncommitted: false,
      allowAutoTopicCreation: false,
      // By default an outage of 20 s ends in a crash, and the rejoin waits out the old session.
      retry: { initialRetryTime: 200, maxRetryTime: 2_000, retries: 500 },
    });
    this.#consumer = consumer;
    this.#memberId = undefined;
    this.#subscribed = new Set(topics);
    const { events } = consumer;
    consumer.on(events.GROUP_JOIN, ({ payload }) => {
      if (this.#consumer === consumer) this.#joined(payload.memberId, payload.memberAssignment);
    });
    consumer.on(events.FETCH, () => {
      if (this.#consumer === consumer) this.#lastFetchAt = Date.now();
    });
    // A batch of markers or aborted records never reaches `eachBatch`.
    consumer.on(events.END_BATCH_PROCESS, ({ payload }) => {
      if (this.#consumer !== consumer || payload.batchSize > 0 || payload.lastOffset === null) return;
      this.#listener?.passed(payload, BigInt(payload.lastOffset) + 1n);
    });
    consumer.on(events.CRASH, ({ payload }) => {
      if (this.#consumer !== consumer || this.#stopped) return;
      // What refuses us is said where it is asked again: by the new consumer, or by the look at the log.
      if (connectionFault(payload.error) === undefined)
        this.#listener?.disconnected(messageOf(payload.error));
      if (!payload.restart) void this.#rebuild();
    });
    await consumer.connect();
    // Positions are ours to choose at every assignment; this only keeps kafkajs from skipping what is in between.
    await consumer.subscribe({ topics: [...topics], fromBeginning: true });
    this.#lastFetchAt = Date.now();
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: async (payload) => {
        if (this.#consumer === consumer) this.#take(payload);
      },
    });
  }

  /** Never throws (a TypeError here would end the consumer for good) and never waits (it would stall the others). */
  #take({ batch, resolveOffset }: EachBatchPayload): void {
    const listener = this.#listener;
    if (!listener) return;
    const at = { topic: batch.topic, partition: batch.partition };
    const logEnd = BigInt(batch.highWatermark);
    try {
      let whole = true;
      for (const message of batch.messages) {
        if (listener.offer(recordOf(at, message), logEnd) === 'full') {
          whole = false; // the rest is fetched again
          break;
        }
        resolveOffset(message.offset);
      }
      // Behind the last record may stand markers: nothing that would ever come.
      if (whole && batch.messages.length > 0) listener.passed(at, BigInt(batch.lastOffset()) + 1n);
    } catch (error) {
      this.#options.logger.error(
        { ...at, err: error },
        'a fetched batch could not be taken; it is fetched again',
      );
    }
    if (listener.shouldPause(at)) this.pause([at]);
  }

  #joined(memberId: string, assignment: Readonly<Record<string, readonly number[]>>): void {
    const listener = this.#listener;
    if (!listener) return;
    const join = ++this.#join;
    const rejoined = this.#memberId !== memberId;
    this.#memberId = memberId;
    this.#assigned = Object.entries(assignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const kept = listener.assigned(this.#assigned, rejoined);
    // kafkajs goes back to the committed offset after every rebalance, also on partitions that it kept.
    for (const { topic, partition, position } of kept) this.seek({ topic, partition }, position);
    const keptKeys = new Set(kept.map(textOf));
    const gained = this.#assigned.filter((at) => !keptKeys.has(textOf(at)));
    this.pause(this.#assigned.filter((at) => !keptKeys.has(textOf(at)) || listener.shouldPause(at)));
    this.resume(kept.filter((at) => !listener.shouldPause(at)));
    listener.connected();
    void this.#place(gained, join);
  }

  /** Where a gained partition is read from is decided by us: kafkajs would jump over a lost range in silence. */
  async #place(gained: readonly TopicPartition[], join: number): Promise<void> {
    const topics = [...new Set(gained.map(({ topic }) => topic))];
    for (let attempt = 0; gained.length > 0; attempt++) {
      try {
        const [logs, committed] = await Promise.all([this.logs(topics), this.committed(topics)]);
        if (join !== this.#join || this.#stopped) return;
        const logOf = new Map(logs.map((log) => [textOf(log), log]));
        const committedOf = new Map(committed.map((entry) => [textOf(entry), entry]));
        for (const at of gained) {
          const log = logOf.get(textOf(at));
          const found = committedOf.get(textOf(at));
          const reach = found && reachIn(found.metadata);
          const position = log && this.#listener?.placed(at, found?.position, log, reach);
          if (position === undefined) continue;
          this.seek(at, position);
          if (!this.#listener?.shouldPause(at)) this.resume([at]);
        }
        return;
      } catch (error) {
        if (join !== this.#join || this.#stopped || this.#signal.aborted) return;
        this.#options.logger.debug({ err: error }, 'where the partitions stand is not known yet');
        await delay(Math.min(5_000, 200 * 2 ** attempt), this.#signal);
      }
    }
  }

  /** kafkajs finds the topics of a pattern only when it subscribes: those made later need a new consumer. */
  async #watchTopics(): Promise<void> {
    for (;;) {
      await delay(this.#options.topicRefreshMs ?? 10_000, this.#signal);
      if (this.#signal.aborted || this.#stopped) return;
      try {
        const fresh = (await this.existingTopics()).filter((topic) => !this.#subscribed.has(topic));
        if (fresh.length > 0 && this.#subscribed.size > 0) {
          this.#options.logger.info({ topics: fresh }, 'new topics: the consumer joins again');
          await this.#rebuild();
        }
      } catch {
        // Kafka is away: its consumer says so.
      }
    }
  }
}

function matches(wanted: string | RegExp, topic: string): boolean {
  return typeof wanted === 'string'
    ? wanted === topic
    : new RegExp(wanted.source, wanted.flags.replace(/[gy]/g, '')).test(topic);
}

function textOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const list = topics.get(topic);
    if (list) list.push(partition);
    else topics.set(topic, [partition]);
  }
  return [...topics].map(([topic, list]) => ({ topic, partitions: list }));
}
