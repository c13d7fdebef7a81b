import type { Admin, Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { lastHeader, type SourceRecord } from '../record.js';
import { delay, within } from '../timing.js';
import { kafkaClient } from './kafka-client.js';
import { patchKafkajs, UNREADABLE_HEADER } from './kafkajs-patches.js';
import { commitMetadata } from './subscription.js';
import type {
  CommitEntry,
  PartitionLog,
  RecordSource,
  SourceListener,
  TopicPartition,
} from './record-source.js';

export interface KafkaSourceOptions {
  /** The subscription: it stands in the metadata of every commit. */
  readonly name: string;
  readonly kafka: ResolvedConfig['kafka'];
  readonly topics: readonly (string | RegExp)[];
  /** Bytes that one batch may unpack to. */
  readonly maxBatchBytes: number;
  readonly logger: Logger;
  /** How often topics are looked for that did not exist before. @default 10000 */
  readonly topicRefreshMs?: number;
}

/** How long the broker gets to answer a question about logs, offsets or topics. */
const ANSWER_MS = 4_000;

/** How long a consumer that is thrown away gets to leave; its successor does not wait longer. */
const LEAVE_MS = 5_000;

/** Kafka by kafkajs. What it does otherwise than one would think is noted where it forces the code. */
export class KafkaSource implements RecordSource {
  readonly #options: KafkaSourceOptions;
  readonly #kafka;
  #admin: Admin | undefined;
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
        await this.#asked((await this.#connectedAdmin()).listTopics());
        return;
      } catch (error) {
        onWaiting(messageOf(error));
        await this.#dropAdmin();
        await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
      }
    }
  }

  async existingTopics(): Promise<string[]> {
    const all = await this.#asked((await this.#connectedAdmin()).listTopics());
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
    this.#consumer?.pause(byTopic(partitions));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#consumer?.resume(byTopic(partitions));
  }

  seek({ topic, partition }: TopicPartition, position: bigint): void {
    this.#consumer?.seek({ topic, partition, offset: position.toString() });
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    // A commit of somebody who isn't the owner is taken by the broker and rewinds the group: only what is ours now.
    const ours = new Set(this.#assigned.map(textOf));
    const metadata = commitMetadata(this.#options.name);
    const offsets = entries
      .filter((entry) => ours.has(textOf(entry)))
      .map(({ topic, partition, position }) => ({ topic, partition, offset: position.toString(), metadata }));
    if (!this.#consumer) throw new Error('There is no consumer');
    if (offsets.length > 0) await this.#consumer.commitOffsets(offsets);
  }

  async logs(topics: readonly string[]): Promise<readonly PartitionLog[]> {
    const admin = await this.#connectedAdmin();
    // One topic that was deleted must not hide the others.
    const present = new Set(await this.#asked(admin.listTopics()));
    const answers = await Promise.all(
      topics
        .filter((topic) => present.has(topic))
        .map(async (topic) =>
          (await this.#asked(admin.fetchTopicOffsets(topic))).map(({ partition, low, high }) => ({
            topic,
            partition,
            start: BigInt(low),
            end: BigInt(high),
          })),
        ),
    );
    return answers.flat();
  }

  async committed(
    topics: readonly string[],
  ): Promise<readonly (CommitEntry & { readonly metadata: string })[]> {
    if (topics.length === 0) return [];
    const admin = await this.#connectedAdmin();
    const answers = await this.#asked(
      admin.fetchOffsets({ groupId: this.#options.kafka.groupId, topics: [...topics] }),
    );
    return answers.flatMap(({ topic, partitions }) =>
      partitions
        .filter(({ offset }) => offset !== '-1')
        .map(({ partition, offset, metadata }) => ({
          topic,
          partition,
          position: BigInt(offset),
          metadata: metadata ?? '',
        })),
    );
  }

  async retentionMs(topic: string): Promise<number | undefined> {
    const admin = await this.#connectedAdmin();
    const answer = await this.#asked(
      // 2 is a topic, in Kafka's protocol.
      admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: 2, name: topic, configNames: ['retention.ms'] }],
      }),
    );
    const value = Number(answer.resources[0]?.configEntries[0]?.configValue ?? Number.NaN);
    return Number.isFinite(value) && value >= 0 ? value : undefined;
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
      Promise.allSettled([consumer?.disconnect(), this.#dropAdmin()]).then(() => undefined),
      deadlineMs,
      () => undefined,
    );
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
        this.#listener?.disconnected(messageOf(error));
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
        const committedOf = new Map(committed.map((entry) => [textOf(entry), entry.position]));
        for (const at of gained) {
          const log = logOf.get(textOf(at));
          const position = log && this.#listener?.placed(at, committedOf.get(textOf(at)), log);
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

  async #connectedAdmin(): Promise<Admin> {
    if (this.#admin) return this.#admin;
    const admin = this.#kafka.admin();
    await admin.connect();
    this.#admin = admin;
    return admin;
  }

  /**
   * An admin client that failed, or is silent, may hold a dead connection: the next call makes a new one. Not kafkajs's
   * own time-out: the watchdog must see what is in the log before the consumer's connection gives up.
   */
  async #asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await within(answer, ANSWER_MS, () => {
        throw new Error(`Kafka has not answered within ${ANSWER_MS} ms`);
      });
    } catch (error) {
      await this.#dropAdmin();
      throw error;
    }
  }

  async #dropAdmin(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    if (admin) await within(admin.disconnect(), 1_000, () => undefined).catch(() => undefined);
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

/** Never throws: a record that kafkajs hands on in a way we can't read is known by its place. */
function recordOf(at: TopicPartition, message: KafkaMessage): SourceRecord {
  try {
    return copyOf(at, message);
  } catch (error) {
    return {
      ...at,
      offset: BigInt(message.offset),
      timestampMs: Number(message.timestamp),
      key: null,
      value: null,
      headers: {},
      sizeBytes: 0,
      undecodable: `The client handed the record on in a form that can't be read: ${messageOf(error)}`,
    };
  }
}

/** Copies: a slice would keep its whole fetch response (82 MB against 2.7 MB, measured). */
function copyOf(at: TopicPartition, message: KafkaMessage): SourceRecord {
  const key = message.key === null || message.key === undefined ? null : Buffer.from(message.key);
  const value = message.value === null || message.value === undefined ? null : Buffer.from(message.value);
  const headers = copyOfHeaders(message.headers ?? {});
  let sizeBytes = (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, given] of Object.entries(headers)) {
    sizeBytes +=
      name.length + (Array.isArray(given) ? given.reduce((sum, one) => sum + one.length, 0) : given.length);
  }
  const unreadable = lastHeader(headers, UNREADABLE_HEADER);
  return {
    ...at,
    offset: BigInt(message.offset),
    timestampMs: Number(message.timestamp),
    key,
    value,
    headers: unreadable === undefined ? headers : {},
    sizeBytes,
    ...(unreadable === undefined ? {} : { undecodable: unreadable.toString() }),
  };
}

/**
 * kafkajs gathers headers in a plain object: one that is called `constructor` comes with the object's own constructor
 * before it, and `__proto__` becomes its prototype. Only buffers are values; without a prototype here, names are names.
 */
function copyOfHeaders(given: object): Record<string, Buffer | Buffer[]> {
  const copy = Object.create(null) as Record<string, Buffer | Buffer[]>;
  const set = (name: string, value: unknown) => {
    const values = (Array.isArray(value) ? value : [value])
      .filter((one) => Buffer.isBuffer(one))
      .map((one) => Buffer.from(one));
    if (values.length > 0) copy[name] = values.length === 1 ? values[0]! : values;
  };
  for (const [name, value] of Object.entries(given)) set(name, value);
  const prototype: unknown = Object.getPrototypeOf(given);
  if (Array.isArray(prototype) || Buffer.isBuffer(prototype)) set('__proto__', prototype);
  return copy;
}
