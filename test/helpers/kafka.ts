import { randomUUID } from 'node:crypto';
import { Kafka, logLevel, type Admin, type IHeaders, type KafkaConfig } from 'kafkajs';
import { createProducer, type SentRecord } from '../../bridge/index.js';
import { patchKafkajs } from '../../bridge/intake/kafkajs-patches.js';
import { until } from './until.js';

/** kafkajs warns of a changed partitioner once a process; we name the partition ourselves. */
process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';

/** Explicit, as NODE_ENV=test (ava sets it) changes kafkajs's defaults. Some 30 s, for brokers that are restarted. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 2000, retries: 20 };

/** A kafkajs client for tests: quiet, patient. */
export function kafkaClient(brokers: readonly string[], options: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({
    clientId: 'test',
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3000,
    requestTimeout: 15_000,
    retry: RETRY,
    ...options,
    brokers: [...brokers],
  });
}

export async function withAdmin<T>(
  brokers: readonly string[],
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = kafkaClient(brokers).admin({ retry: RETRY });
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

export interface TopicOptions {
  /** @default 1 */
  readonly partitions?: number;
  /** @default 1 */
  readonly replicationFactor?: number;
  /** As `{ 'retention.ms': '1000' }`. */
  readonly config?: Readonly<Record<string, string>>;
}

/** @throws Error when it exists */
export async function createTopic(
  brokers: readonly string[],
  topic: string,
  options: TopicOptions = {},
): Promise<string> {
  const { partitions: numPartitions = 1, replicationFactor = 1, config = {} } = options;
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
  await withAdmin(brokers, async (admin) => {
    // kafkajs's own wait for leaders gives up at the first "unknown topic", which a topic made anew shows for a moment.
    const created = await admin.createTopics({
      topics: [{ topic, numPartitions, replicationFactor, configEntries }],
      waitForLeaders: false,
    });
    if (!created) throw new Error(`Expected topic ${topic} to be new, but it exists`);
    await until(
      async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]?.partitions.length,
      {
        what: `topic ${topic} to have its leaders`,
        accept: (count) => count === numPartitions,
      },
    );
  });
  return topic;
}

/** Resolves when the broker's metadata no longer name it: a topic of the same name may be made then. */
export async function deleteTopic(brokers: readonly string[], topic: string): Promise<void> {
  await withAdmin(brokers, async (admin) => {
    await admin.deleteTopics({ topics: [topic], timeout: 15_000 });
    await until(async () => !(await admin.listTopics()).includes(topic), {
      what: `topic ${topic} to be gone`,
    });
  });
}

export interface TestMessage {
  /** @default 0. Explicit: kafkajs's partitioner runs again at each retry, which has lost messages. */
  readonly partition?: number;
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: IHeaders;
  /** Epoch milliseconds. @default now */
  readonly timestamp?: number;
}

export interface ProducedMessage {
  readonly partition: number;
  readonly offset: bigint;
}

/** Of the plain one: one send and one request are bounded so; a request over 1 MB is refused by the broker's default. */
const BATCH_MESSAGES = 1000;
const BATCH_BYTES = 900_000;

/**
 * Sends with our producer, acknowledged by all replicas. It gives each message the headers that are missing; where
 * `idempotency-key` must stay missing, or nothing may be changed at all, see {@link producePlain}.
 * @returns where each message stands, in the order given
 */
export async function produce(
  brokers: readonly string[],
  topic: string,
  messages: readonly TestMessage[],
): Promise<ProducedMessage[]> {
  const { signal } = new AbortController();
  await using producer = createProducer({
    kafka: { brokers },
    producer: {
      // How large a fetch is, is what tests of memory count on.
      compression: 'none',
      deadLetterSuffix: false,
      // Through a restart of the broker: what is refused at the door would be for the test to send again.
      circuit: { failures: Number.MAX_SAFE_INTEGER },
    },
  });
  await producer.start();
  const sent: Promise<SentRecord>[] = [];
  for (const { partition = 0, ...message } of messages) {
    const bytes = 200 + (message.value?.length ?? 0) + (message.key?.length ?? 0);
    if (!producer.hasRoom(bytes)) await producer.room(bytes, signal);
    const one = producer.send({ ...message, topic, partition });
    one.catch(() => undefined); // it is waited for below
    sent.push(one);
  }
  return (await Promise.all(sent)).map(({ partition, offset }) => ({ partition, offset: BigInt(offset) }));
}

/**
 * Sends with kafkajs's own producer, one batch at a time: each message exactly as it is given, as any client may send it.
 * @returns where each message stands, in the order given
 */
export async function producePlain(
  brokers: readonly string[],
  topic: string,
  messages: readonly TestMessage[],
): Promise<ProducedMessage[]> {
  const producer = kafkaClient(brokers).producer({ allowAutoTopicCreation: false, retry: RETRY });
  await producer.connect();
  try {
    const produced: ProducedMessage[] = [];
    for (const batch of batches(messages)) {
      const results = await producer.send({
        topic,
        acks: -1,
        messages: batch.map(({ timestamp, partition = 0, ...message }) => ({
          ...message,
          partition,
          ...(timestamp !== undefined && { timestamp: String(timestamp) }),
        })),
      });
      const next = new Map(results.map((one) => [one.partition, BigInt(one.baseOffset ?? '-1')]));
      for (const { partition = 0 } of batch) {
        // kafkajs may resolve without an entry for a partition whose leader moved (kafkajs-facts.md).
        const offset = next.get(partition);
        if (offset === undefined)
          throw new Error(`Expected partition ${partition} of ${topic} to be acknowledged`);
        produced.push({ partition, offset });
        next.set(partition, offset + 1n);
      }
    }
    return produced;
  } finally {
    await producer.disconnect();
  }
}

function* batches(messages: readonly TestMessage[]): Generator<readonly TestMessage[]> {
  let batch: TestMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = 200 + (message.value?.length ?? 0) + (message.key?.length ?? 0);
    if (batch.length > 0 && (batch.length >= BATCH_MESSAGES || bytes + size > BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

export interface CommittedOffset {
  readonly topic: string;
  readonly partition: number;
  /** -1 where nothing is committed. */
  readonly offset: bigint;
  readonly metadata: string;
}

/** Ordered by partition. */
export async function committedOffsets(
  brokers: readonly string[],
  group: string,
  topic: string,
): Promise<CommittedOffset[]> {
  const topics = await withAdmin(brokers, async (admin) =>
    admin.fetchOffsets({ groupId: group, topics: [topic] }),
  );
  return topics
    .flatMap(({ partitions }) => partitions)
    .map(({ partition, offset, metadata }) => ({
      topic,
      partition,
      offset: BigInt(offset),
      metadata: metadata ?? '',
    }))
    .sort((a, b) => a.partition - b.partition);
}

export interface LogEnd {
  readonly topic: string;
  readonly partition: number;
  /** The first offset that is still there. */
  readonly low: bigint;
  /** The offset that the next record gets. */
  readonly offset: bigint;
}

/** Ordered by partition. */
export async function logEnds(brokers: readonly string[], topic: string): Promise<LogEnd[]> {
  const ends = await withAdmin(brokers, async (admin) => admin.fetchTopicOffsets(topic));
  return ends
    .map(({ partition, low, high }) => ({ topic, partition, low: BigInt(low), offset: BigInt(high) }))
    .sort((a, b) => a.partition - b.partition);
}

export interface ReadMessage {
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
  readonly timestamp: number;
}

export interface ReadAllOptions {
  /** Open and aborted transactions too. @default false */
  readonly readUncommitted?: boolean;
  /** @default 180_000 */
  readonly timeoutMs?: number;
}

/** All that the topic holds now, by partition and offset. It reads with a group of its own, which it deletes. */
export async function readAll(
  brokers: readonly string[],
  topic: string,
  options: ReadAllOptions = {},
): Promise<ReadMessage[]> {
  patchKafkajs(64 * 1024 * 1024); // our producer compresses by a codec that kafkajs has not
  const waiting = new Map<number, bigint>();
  for (const { partition, low, offset } of await logEnds(brokers, topic)) {
    if (offset > low) waiting.set(partition, offset);
  }
  const groupId = `read-all-${randomUUID()}`;
  const consumer = kafkaClient(brokers).consumer({
    groupId,
    retry: RETRY,
    maxWaitTimeInMs: 200,
    readUncommitted: options.readUncommitted ?? false,
  });
  const messages: ReadMessage[] = [];
  // A log that ends in a transaction's marker ends in nothing that is ever delivered: empty fetches say so.
  let emptyFetches = 0;
  consumer.on(consumer.events.FETCH, ({ payload }) => {
    emptyFetches = payload.numberOfBatches === 0 ? emptyFetches + 1 : 0;
  });
  try {
    if (waiting.size > 0) {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const { offset, key, value, headers, timestamp } of batch.messages) {
            messages.push({
              partition: batch.partition,
              offset: BigInt(offset),
              key,
              value,
              headers: headers ?? {},
              timestamp: Number(timestamp),
            });
          }
          const end = waiting.get(batch.partition);
          if (end !== undefined && BigInt(batch.lastOffset()) + 1n >= end) waiting.delete(batch.partition);
        },
      });
      await until(() => waiting.size === 0 || emptyFetches >= 10, {
        what: `all of ${topic} to be read`,
        timeoutMs: options.timeoutMs ?? 180_000,
        everyMs: 20,
      });
    }
  } finally {
    await consumer.disconnect();
  }
  if (waiting.size > 0 || messages.length > 0) {
    await withAdmin(brokers, async (admin) => admin.deleteGroups([groupId])).catch(() => {});
  }
  return messages.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset));
}
