import { randomUUID } from 'node:crypto';
import type { Publisher, PublishOutcome } from '../../activities/index.js';
import type { PublishedEvent, PublishRequest } from '../../workflows/contract.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError } from '../errors.js';
import { createLogger } from '../observe/logger.js';
import type { MessageHeaders } from '../producer/headers.js';
import { Producer } from '../producer/producer.js';
import { SendError } from '../producer/send-error.js';
import { TransactionEncoder } from '../producer/transaction-encoder.js';
import { Transactions } from '../producer/transactions.js';
import { publishedKey } from '../temporal/ids.js';

/** Nobody waits for what is still under way when the worker has ended: it is tried again elsewhere. */
const CLOSE_MS = 2_000;

type PublisherConfig = Pick<ResolvedConfig, 'name' | 'kafka' | 'producer' | 'logLevel'>;

/**
 * What publishes for the workflows of this process: one producer, and one transactional ID, made when they are first
 * needed. There is no spill file: Temporal tries again, here or elsewhere, until the event is in Kafka.
 */
export class EventPublisher implements Publisher {
  readonly #config: PublisherConfig;
  #producer: Producer | undefined;
  #transactional: { readonly encoder: TransactionEncoder; readonly transactions: Transactions } | undefined;
  #closed = false;

  constructor(config: PublisherConfig) {
    this.#config = config;
  }

  async publish(request: PublishRequest, event: unknown): Promise<PublishOutcome<PublishedEvent>> {
    return outcomeOf(async () => {
      const { topic, key } = request;
      return this.#forEvents().sendEvent(topic, key, event, headersOf(request));
    });
  }

  async publishAll(
    requests: readonly PublishRequest[],
    events: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<PublishOutcome<readonly PublishedEvent[]>> {
    return outcomeOf(async () => {
      const { encoder, transactions } = this.#forTransactions();
      const messages = await Promise.all(
        requests.map((request, index) =>
          encoder.encode(request.topic, request.key, events[index], headersOf(request)),
        ),
      );
      return transactions.send(messages, signal);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([
      this.#producer?.close({ timeoutMs: CLOSE_MS }),
      this.#transactional?.transactions.close(),
    ]);
  }

  #forEvents(): Producer {
    this.#refuseClosed();
    if (!this.#producer) {
      const { kafka, producer, logLevel } = this.#config;
      const { encoder, encoders } = producer;
      this.#producer = new Producer(
        { kafka, producer: { ...producer, spill: undefined }, logLevel },
        { encoder, encoders },
      );
    }
    return this.#producer;
  }

  #forTransactions() {
    this.#refuseClosed();
    const { name, kafka, producer, logLevel } = this.#config;
    this.#transactional ??= {
      encoder: new TransactionEncoder(producer),
      transactions: new Transactions({
        kafka,
        producer,
        // Of this process alone: two with the same ID would shut each other out.
        transactionalId: `ktb-${name}-${randomUUID()}`,
        logger: createLogger({ name: 'publisher', level: logLevel }),
      }),
    };
    return this.#transactional;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new BridgeError('KTB_CLOSED', 'The worker is shutting down', { retryable: true });
  }
}

function headersOf({ headers, identity }: PublishRequest): MessageHeaders {
  return { ...headers, 'idempotency-key': publishedKey(identity) };
}

async function outcomeOf<T>(publish: () => Promise<T>): Promise<PublishOutcome<T>> {
  try {
    return { published: await publish() };
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    const { code: type, message } = error;
    if (!isFinal(error)) return { waits: message, type };
    const details = error instanceof SendError ? error.deadLetter : undefined;
    return { refused: message, type, ...(details === undefined ? {} : { details }) };
  }
}

/** `KTB_DELIVERY_UNKNOWN` is not: sent again, the event bears the same key, and starts nothing new. */
function isFinal({ code, retryable }: BridgeError): boolean {
  if (retryable) return false;
  return (
    code === 'KTB_USAGE' || code === 'KTB_RECORD' || code === 'KTB_KAFKA' || code === 'KTB_DEAD_LETTERED'
  );
}
