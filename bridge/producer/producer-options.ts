import type { Registry } from 'prom-client';
import type { KafkaOptions, ProducerOptions } from '../config/types.js';
import type { Priority, SchemaRegistryDecoder } from '../config/types.js';
import type { EncodeContext } from './encoders/encoder.js';
import type { MessageHeaders } from './headers.js';
import type { ProducerObserver } from './observer.js';

/** The part of a configuration that a producer needs: a `BridgeConfig` has it, and so has `{ kafka: { brokers } }`. */
export interface ProducerConfig {
  readonly kafka: Pick<KafkaOptions, 'brokers' | 'clientId' | 'ssl' | 'sasl'>;
  readonly producer?: ProducerOptions;
}

/** A Confluent schema registry, and the schema to write with. */
export interface SchemaRegistryEncoder extends Omit<SchemaRegistryDecoder, 'type'> {
  readonly type: 'schema-registry';
  /** The registry's number of the schema. */
  readonly schemaId: number;
}

/** Event to bytes; `null` is a tombstone. */
export type EncodeFunction = (
  event: any,
  context: EncodeContext,
) => Uint8Array | string | null | Promise<Uint8Array | string | null>;

export type EncoderOption =
  'json' | 'text' | 'bytes' | 'cloudevents' | SchemaRegistryEncoder | EncodeFunction;

export interface CreateProducerOptions {
  /** How events of `sendEvent` become values. @default 'json' */
  readonly encoder?: EncoderOption;
  /** The encoders of some topics, by their names. @default {} */
  readonly encoders?: Readonly<Record<string, EncoderOption>>;
  /** Is told of everything that is counted. @default none */
  readonly observer?: ProducerObserver;
  /** A registry of prom-client's, the user's own: the producer's metrics are shown with the others. @default none */
  readonly metrics?: Registry;
}

/** A record to be sent. */
export interface ProducerMessage {
  readonly topic: string;
  /** Records with the same key go to the same partition, as with Kafka's own clients. @default none */
  readonly key?: string | Uint8Array | null;
  /** `null` is a tombstone. */
  readonly value: string | Uint8Array | null;
  /** `idempotency-key`, `trace-id`, `traceparent` and `timestamp` are set where they are missing. */
  readonly headers?: MessageHeaders;
  /** Who is dropped or refused while the buffer is full. It changes no order. @default 'medium' */
  readonly priority?: Priority;
  /** @default by the key; without one, in turns */
  readonly partition?: number;
  /** Epoch milliseconds. @default now */
  readonly timestamp?: number;
}
