import type { Admin, Kafka } from 'kafkajs';
import { within } from '../timing.js';
import type { CommitEntry, PartitionLog } from './record-source.js';

/** How long the broker gets to answer a question about logs, offsets or topics. */
const ANSWER_MS = 4_000;
const LEAVE_MS = 1_000;

/** What is asked of the cluster beside consuming: by a connection of its own, so that it tells of a stuck consumer. */
export class KafkaAdmin {
  readonly #kafka: Kafka;
  readonly #groupId: string;
  /** One for questions that are asked at once: a second connection would never be closed. */
  #admin: Promise<Admin> | undefined;

  constructor(kafka: Kafka, groupId: string) {
    this.#kafka = kafka;
    this.#groupId = groupId;
  }

  async topics(): Promise<string[]> {
    return this.#asked((await this.#connected()).listTopics());
  }

  async logs(topics: readonly string[]): Promise<readonly PartitionLog[]> {
    const admin = await this.#connected();
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
    groupId = this.#groupId,
  ): Promise<readonly (CommitEntry & { readonly metadata: string })[]> {
    if (topics.length === 0) return [];
    const admin = await this.#connected();
    const answers = await this.#asked(admin.fetchOffsets({ groupId, topics: [...topics] }));
    return answers.flatMap(({ topic, partitions }) =>
      partitions
        .filter(({ offset }) => offset !== '-1')
        // After a fetch out of range kafkajs commits -2 ("the earliest") by itself: a position, but none of ours.
        .map(({ partition, offset, metadata }) => ({
          topic,
          partition,
          position: offset.startsWith('-') ? 0n : BigInt(offset),
          metadata: metadata ?? '',
        })),
    );
  }

  async retentionMs(topic: string): Promise<number | undefined> {
    const admin = await this.#connected();
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

  /** By partition: the offset of the first record at or after a time; partitions without one are left out. */
  async offsetsAt(topic: string, timestampMs: number): Promise<ReadonlyMap<number, bigint>> {
    const admin = await this.#connected();
    const answer = await this.#asked(admin.fetchTopicOffsetsByTimestamp(topic, timestampMs));
    return new Map(
      answer
        .filter(({ offset }) => !offset.startsWith('-'))
        .map(({ partition, offset }) => [partition, BigInt(offset)]),
    );
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.#asked((await this.#connected()).deleteGroups([groupId]));
  }

  /** Anything else, under the same patience. */
  async ask<T>(question: (admin: Admin) => Promise<T>): Promise<T> {
    return this.#asked(question(await this.#connected()));
  }

  async close(): Promise<void> {
    const connecting = this.#admin;
    this.#admin = undefined;
    if (!connecting) return;
    const admin = await within<Admin | undefined>(connecting, LEAVE_MS, () => undefined).catch(
      () => undefined,
    );
    if (admin) await within(admin.disconnect(), LEAVE_MS, () => undefined).catch(() => undefined);
  }

  async #connected(): Promise<Admin> {
    this.#admin ??= this.#connect();
    return this.#admin;
  }

  async #connect(): Promise<Admin> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      return admin;
    } catch (error) {
      this.#admin = undefined;
      throw error;
    }
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
      await this.close();
      throw error;
    }
  }
}
