import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError, messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import type { KafkaPlace, KafkaView, OffsetRange } from './kafka-view.js';
import type { SourceRecord } from '../record.js';
import { within } from '../timing.js';
import { KafkaAdmin } from './kafka-admin.js';
import { kafkaClient } from './kafka-client.js';
import { recordOf } from './kafka-record.js';
import { patchKafkajs } from './kafkajs-patches.js';

/** Records that wait for who reads. */
const AHEAD = 500;
/**
 * So many fetches without anything, for so long, say that nothing more will come of the range: what is left is an open
 * transaction's, or a gap at the log's end. A partition whose leader moves answers nothing for a moment too.
 */
const EMPTY_FETCHES = 5;
const QUIET_MS = 3_000;
const LEAVE_MS = 3_000;

/**
 * Looks at a log beside the bridge. kafkajs has no assignment by hand, so a stretch is read by a consumer group of its
 * own, which is deleted afterwards; its name begins with the subscription's group, as rules by prefix want it.
 */
export class KafkaReader implements KafkaView {
  readonly #kafka: Kafka;
  readonly #admin: KafkaAdmin;
  readonly #groupId: string;

  constructor(config: Pick<ResolvedConfig, 'kafka' | 'buffer'>, logger: Logger) {
    patchKafkajs(config.buffer.bytes);
    this.#kafka = kafkaClient(config.kafka, logger);
    this.#groupId = config.kafka.groupId;
    this.#admin = new KafkaAdmin(this.#kafka, this.#groupId);
  }

  async place(at: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: string;
  }): Promise<KafkaPlace> {
    const offset = BigInt(at.offset);
    try {
      const logs = await this.#admin.logs([at.topic]);
      // Asked for the offsets of a topic that is not there, kafkajs tries for seconds, and then throws.
      if (logs.length === 0) return { ...at, committed: false, inLog: false };
      const committed = await this.#admin.committed([at.topic]);
      const log = logs.find(({ partition }) => partition === at.partition);
      const group = committed.find(({ partition }) => partition === at.partition);
      return {
        ...at,
        committed: group !== undefined && group.position > offset,
        inLog: log !== undefined && log.start <= offset && offset < log.end,
      };
    } catch {
      return { ...at, committed: undefined, inLog: undefined };
    }
  }

  async ranges(
    topic: string,
    from: bigint | Date,
    to: bigint | Date,
    partition?: number,
  ): Promise<readonly OffsetRange[]> {
    try {
      const all = await this.#admin.logs([topic]);
      if (all.length === 0)
        throw new BridgeError('KTB_USAGE', `Expected a topic that exists, got ${JSON.stringify(topic)}`);
      const logs = all.filter((log) => partition === undefined || log.partition === partition);
      if (logs.length === 0)
        throw new BridgeError(
          'KTB_USAGE',
          `Expected a partition of ${topic} (it has ${all.length}), got ${partition}`,
        );
      const [starts, ends] = await Promise.all([this.#offsetsAt(topic, from), this.#offsetsAt(topic, to)]);
      return logs
        .map(({ partition: one, start, end }) => ({
          topic,
          partition: one,
          from: max(start, starts(one) ?? end),
          to: min(end, ends(one) ?? end),
        }))
        .filter((range) => range.from < range.to)
        .toSorted((one, other) => one.partition - other.partition);
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      throw new BridgeError('KTB_KAFKA', `Kafka does not tell where ${topic} stands: ${messageOf(error)}`, {
        cause: error,
        retryable: true,
      });
    }
  }

  async *read(range: OffsetRange, signal?: AbortSignal): AsyncIterable<SourceRecord> {
    if (signal?.aborted || range.from >= range.to) return;
    const groupId = `${this.#groupId}-ktb-read-${randomUUID()}`;
    const consumer = this.#kafka.consumer({
      groupId,
      readUncommitted: false,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 100,
      retry: { retries: 5 },
    });
    const feed = new Feed(range, consumer);
    const stop = () => feed.end();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await feed.start();
      for (;;) {
        const record = await feed.next();
        if (record === undefined) return;
        yield record;
      }
    } catch (error) {
      throw new BridgeError(
        'KTB_KAFKA',
        `${range.topic}/${range.partition} can't be read: ${messageOf(error)}`,
        { cause: error, retryable: true },
      );
    } finally {
      signal?.removeEventListener('abort', stop);
      await within(consumer.disconnect(), LEAVE_MS, () => undefined).catch(() => undefined);
      await this.#admin.deleteGroup(groupId).catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.#admin.close();
  }

  /** By partition: the offset itself, or that of the first record at or after a time; undefined: there is none. */
  async #offsetsAt(topic: string, at: bigint | Date): Promise<(partition: number) => bigint | undefined> {
    if (typeof at === 'bigint') return () => at;
    const found = await this.#admin.offsetsAt(topic, at.getTime());
    return (partition) => found.get(partition);
  }
}

/** A consumer of one stretch, as a queue. */
class Feed {
  readonly #range: OffsetRange;
  readonly #consumer: Consumer;
  readonly #records: SourceRecord[] = [];
  #wake: (() => void) | undefined;
  #ended = false;
  #error: Error | undefined;
  /** The next offset that is wanted: a consumer that kafkajs restarts would begin anew. */
  #position: bigint;
  #emptyFetches = 0;
  #progressAt = Date.now();
  #paused = false;

  constructor(range: OffsetRange, consumer: Consumer) {
    this.#range = range;
    this.#position = range.from;
    this.#consumer = consumer;
  }

  async start(): Promise<void> {
    const { topic, partition, to } = this.#range;
    const consumer = this.#consumer;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const others = (payload.memberAssignment[topic] ?? []).filter((one) => one !== partition);
      if (others.length > 0) consumer.pause([{ topic, partitions: others }]);
      consumer.seek({ topic, partition, offset: this.#position.toString() });
      this.#progressed();
    });
    // kafkajs's `numberOfBatches` is always 0: that a fetch brought something is seen when its batch is begun.
    consumer.on(consumer.events.FETCH, () => {
      if (this.#paused) return this.#progressed();
      if (++this.#emptyFetches >= EMPTY_FETCHES && Date.now() - this.#progressAt >= QUIET_MS) this.end();
    });
    // Also of what is never handed on: aborted records, and the markers of transactions.
    consumer.on(consumer.events.START_BATCH_PROCESS, () => this.#progressed());
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (payload.partition === partition && BigInt(payload.lastOffset) + 1n >= to) this.end();
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.end(payload.error);
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      eachBatch: async ({ batch }) => {
        if (batch.partition !== partition) return;
        for (const message of batch.messages) {
          const record = recordOf({ topic, partition }, message);
          if (record.offset < this.#position || record.offset >= to) continue;
          this.#records.push(record);
          this.#position = record.offset + 1n;
        }
        if (BigInt(batch.lastOffset()) + 1n >= to) this.end();
        else if (this.#records.length > AHEAD) this.#pause();
        this.#wake?.();
      },
    });
  }

  async next(): Promise<SourceRecord | undefined> {
    for (;;) {
      const record = this.#records.shift();
      if (record !== undefined) {
        if (this.#paused && this.#records.length < AHEAD / 2) this.#resume();
        return record;
      }
      if (this.#error) throw this.#error;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  end(error?: Error): void {
    this.#ended = true;
    this.#error ??= error;
    this.#wake?.();
  }

  #progressed(): void {
    this.#emptyFetches = 0;
    this.#progressAt = Date.now();
  }

  #pause(): void {
    this.#paused = true;
    this.#consumer.pause([{ topic: this.#range.topic, partitions: [this.#range.partition] }]);
  }

  #resume(): void {
    this.#paused = false;
    this.#consumer.resume([{ topic: this.#range.topic, partitions: [this.#range.partition] }]);
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
