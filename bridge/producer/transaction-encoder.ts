import type { ResolvedProducer } from '../config/resolve-producer.js';
import { EncoderPool } from './encoders/index.js';
import { headersOf, type Header, type MessageHeaders } from './headers.js';
import { bytesOf, checkMessage } from './message.js';
import { loadTracer, type Tracer } from './trace.js';

/** A record of a transaction, as it goes into the log. */
export interface TransactionRecord {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
  readonly timestampMs: number;
}

/** Encodes events as `Producer.sendEvent` does. What can't be encoded is an error here: its whole transaction is not sent. */
export class TransactionEncoder {
  readonly #encoders: EncoderPool;
  #tracer: Promise<Tracer> | undefined;

  constructor({ encoder, encoders }: Pick<ResolvedProducer, 'encoder' | 'encoders'>) {
    this.#encoders = new EncoderPool(encoder, encoders);
  }

  /** @throws BridgeError `KTB_USAGE`, `KTB_RECORD` */
  async encode(
    topic: string,
    key: string | null,
    event: unknown,
    headers: MessageHeaders,
  ): Promise<TransactionRecord> {
    checkMessage({ topic, key, value: null, headers });
    const keyBytes = bytesOf(key);
    const encode = this.#encoders.encoderOf(topic);
    const encoded = event === null ? { value: null } : await encode(event, { topic, key: keyBytes, headers });
    const { value, headers: added = [], eventType } = encoded;
    this.#tracer ??= loadTracer();
    const timestampMs = Date.now();
    const active = (await this.#tracer).active();
    const own = headersOf(headers, { timestampMs, eventType }, active);
    return { topic, key: keyBytes, value, headers: [...own, ...added], timestampMs };
  }
}
