/** Options of the producer: how records leave, and what becomes of those that can't. */

import type { EncoderOption } from '../producer/producer-options.js';

export type Compression = 'none' | 'gzip' | 'snappy' | 'zstd';

export interface ProducerOptions {
  /** `'zstd'` needs Node 22.15. @default 'snappy' */
  readonly compression?: Compression;
  /** How long a record waits for others at most, while something is under way; else it leaves at once. @default 20 */
  readonly lingerMs?: number;
  /** So many bytes of a partition wait for nothing more. @default 32768 */
  readonly batchBytes?: number;
  /** How long one request may take. @default 30000 */
  readonly requestTimeoutMs?: number;
  /** How long a record is tried, from the moment it was accepted. @default 120000 */
  readonly deliveryTimeoutMs?: number;
  /** What waits and what is under way, together. */
  readonly buffer?: ProducerBufferOptions;
  /** How long a record of medium priority waits for room in the buffer. @default 1000 */
  readonly mediumWaitMs?: number;
  /** Around the requests. */
  readonly circuit?: ProducerCircuitOptions;
  /** Behind a topic's name: the topic of what can't be sent. `false`: there is none. @default '.dlq' */
  readonly deadLetterSuffix?: string | false;
  /** How events become values. @default 'json' */
  readonly encoder?: EncoderOption;
  /** The encoders of some topics, by their names. @default {} */
  readonly encoders?: Readonly<Record<string, EncoderOption>>;
  /** Where records are kept while Kafka is away. @default none */
  readonly spill?: SpillOptions;
}

export interface ProducerBufferOptions {
  /** @default 1000 */
  readonly records?: number;
  /** Of keys, values and headers; also the largest record. @default 33554432 */
  readonly bytes?: number;
}

export interface ProducerCircuitOptions {
  /** Failed requests in a row that open it. @default 5 */
  readonly failures?: number;
  /** After how long one request is let through again. @default 10000 */
  readonly halfOpenAfterMs?: number;
}

export interface SpillOptions {
  /** A folder for this producer alone, on a disk that outlives the process. */
  readonly dir: string;
  /** @default 67108864 */
  readonly maxBytes?: number;
}
