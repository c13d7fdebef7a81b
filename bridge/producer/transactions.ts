import type { Kafka } from 'kafkajs';
import { BridgeError, messageOf } from '../errors.js';
import { kafkaClient } from '../intake/kafka-client.js';
import { quietKafkajs } from '../intake/kafkajs-patches.js';
import { delay, within } from '../timing.js';
import { resultOfError } from './broker-answers.js';
import { clusterOf, leaveCluster } from './kafkajs-cluster.js';
import type { KafkaSenderOptions } from './kafka-sender.js';
import type { SentRecord } from './outgoing.js';
import { SendError } from './send-error.js';
import type { TransactionRecord } from './transaction-encoder.js';
import { placedRecords, placesOf, topicsOf, whyOf } from './transaction-places.js';
import {
  kafkaCodeOf,
  REQUEST_MS,
  TransactionSession,
  type TransactionCluster,
} from './transaction-session.js';

export interface TransactionsOptions extends Omit<KafkaSenderOptions, 'metadataMaxAgeMs'> {
  /** Of this process alone: two with the same one shut each other out. */
  readonly transactionalId: string;
}

const METADATA_MAX_AGE_MS = 60_000;
/** So long a commit without an answer is asked again what became of it. */
const COMMIT_MS = 20_000;
const RETRY_MS = 200;
const ANSWER_MS = 30_000;
const CLOSE_MS = 1_000;
/** Kafka's answers that say of a commit that it was not made: shut out, aborted in between, not allowed. */
const NOT_COMMITTED: ReadonlySet<number | undefined> = new Set([47, 48, 49, 53, 90]);

/**
 * Records that are all in the log or none is, for whoever reads committed records only. One transaction at a time.
 *
 * kafkajs's connections, but not its producer: its retries resend to leaders that have answered, and leave partitions out
 * without a word. Here a transaction is written once, and committed only where each of its partitions has answered; after
 * any doubt a new epoch begins, which aborts what is open and shuts out what is still on its way.
 */
export class Transactions {
  readonly #options: TransactionsOptions;
  readonly #kafka: Kafka;
  #cluster: Promise<TransactionCluster> | undefined;
  #session: TransactionSession | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #turn = 0;
  /** Counts the doubts. */
  #epoch = 0;
  #closed = false;

  constructor(options: TransactionsOptions) {
    quietKafkajs();
    this.#options = options;
    const { kafka, logger, producer } = options;
    this.#kafka = kafkaClient(kafka, logger, {
      requestTimeoutMs: Math.min(REQUEST_MS, producer.requestTimeoutMs),
      retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 0 },
    });
  }

  /**
   * Resolves when the transaction is committed, with the records' places in the order given.
   *
   * @param signal what has not begun when it fires is not sent
   * @throws SendError `KTB_NOT_DELIVERED`: nothing of it is to be seen; `KTB_DELIVERY_UNKNOWN`: it may be committed
   * @throws BridgeError `KTB_KAFKA`: Kafka refuses one of the records, and nothing is to be seen
   */
  send(records: readonly TransactionRecord[], signal?: AbortSignal): Promise<SentRecord[]> {
    const sent = this.#last.then(() => {
      if (!this.#closed && !signal?.aborted) return this.#send(records);
      const topic = topicsOf(records).join(', ');
      const message = 'The transaction was not begun: nobody waits for it any more';
      throw new SendError('KTB_NOT_DELIVERED', message, { topic });
    });
    this.#last = sent.catch(() => undefined);
    return sent;
  }

  /** What is under way is given a second; the broker aborts what is left. Again, it changes nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    await within<unknown>(this.#last, CLOSE_MS, () => undefined);
    await this.#disconnect();
  }

  async #send(records: readonly TransactionRecord[]): Promise<SentRecord[]> {
    const topics = topicsOf(records);
    let places: SentRecord[];
    try {
      places = await inTime(this.#write(records));
    } catch (error) {
      await this.#doubt();
      throw notWritten(error, topics);
    }
    await this.#commit(topics);
    return places;
  }

  async #write(records: readonly TransactionRecord[]): Promise<SentRecord[]> {
    const epoch = this.#epoch;
    const cluster = await this.#connected();
    const placed = await placedRecords(cluster, records, this.#turn++);
    const session = this.#session ?? (await TransactionSession.begin(cluster, this.#options.transactionalId));
    // Given up meanwhile: what comes late must not take the place of what has begun since.
    if (epoch !== this.#epoch) throw new Error('given up');
    this.#session = session;
    return placesOf(placed, await session.write(cluster, placed));
  }

  /** @throws where nobody can tell whether it is committed, or it isn't */
  async #commit(topics: readonly string[]): Promise<void> {
    const session = this.#session!;
    const began = performance.now();
    for (let first = true; ; first = false) {
      try {
        await inTime(this.#connected().then((cluster) => session.commit(cluster)));
        return;
      } catch (error) {
        const code = kafkaCodeOf(error);
        if (code === undefined && performance.now() - began < COMMIT_MS && !this.#closed) {
          await this.#disconnect();
          await delay(RETRY_MS);
          continue;
        }
        await this.#doubt();
        if (first && NOT_COMMITTED.has(code)) throw notWritten(error, topics);
        throw new SendError(
          'KTB_DELIVERY_UNKNOWN',
          `The transaction may be committed: no answer said so (${messageOf(error)})`,
          { topic: topics.join(', '), cause: error },
        );
      }
    }
  }

  /** Ends the epoch. The next one is begun at once, as far as Kafka answers: readers wait behind what is open. */
  async #doubt(): Promise<void> {
    this.#epoch++;
    this.#session = undefined;
    await this.#disconnect();
    if (this.#closed) return;
    const { transactionalId } = this.#options;
    this.#session = await within<TransactionSession | undefined>(
      this.#connected().then((cluster) => TransactionSession.begin(cluster, transactionalId)),
      REQUEST_MS,
      () => undefined,
    ).catch(() => undefined);
  }

  #connected(): Promise<TransactionCluster> {
    if (this.#closed) return Promise.reject(new Error('the worker is shutting down'));
    if (this.#cluster) return this.#cluster;
    const connecting = this.#connect();
    connecting.catch(() => {
      if (this.#cluster === connecting) this.#cluster = undefined;
    });
    return (this.#cluster = connecting);
  }

  async #connect(): Promise<TransactionCluster> {
    const cluster = clusterOf(this.#kafka, METADATA_MAX_AGE_MS) as TransactionCluster;
    try {
      await cluster.connect();
      // Until it is asked for anything, kafkajs knows no broker by its number.
      await cluster.refreshMetadata();
      return cluster;
    } catch (error) {
      await leaveCluster(cluster);
      throw error;
    }
  }

  async #disconnect(): Promise<void> {
    const connected = this.#cluster;
    this.#cluster = undefined;
    const leaving = connected?.then(leaveCluster).catch(() => undefined);
    if (leaving) await within<void>(leaving, CLOSE_MS, () => undefined);
  }
}

function notWritten(error: unknown, topics: readonly string[]): BridgeError {
  if (error instanceof BridgeError) return error;
  const topic = topics.join(', ');
  const code = kafkaCodeOf(error);
  const message = `The transaction was not committed: ${code === undefined ? messageOf(error) : whyOf(code)}`;
  if (code !== undefined && resultOfError(code).result.kind === 'refused')
    return new BridgeError('KTB_KAFKA', message, { cause: error });
  return new SendError('KTB_NOT_DELIVERED', message, { topic, cause: error });
}

/** kafkajs has waits without an end. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  return within<T>(work, ANSWER_MS, () => {
    throw new Error(`Kafka has not answered within ${ANSWER_MS} ms`);
  });
}
