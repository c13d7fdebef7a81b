import type { RecordInfo } from '../workflows/contract.js';
import { utf8Text } from './utf8.js';

export type { RecordInfo } from '../workflows/contract.js';

/** Header values as they come from the log: a header may stand several times, and its bytes may be anything. */
export type RawHeaders = Readonly<Record<string, Buffer | readonly Buffer[] | undefined>>;

/**
 * A record as the source hands it on. Key, value and headers are copies: a slice would pin the whole fetch
 * response in memory.
 */
export interface SourceRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Epoch milliseconds: CreateTime or LogAppendTime, as the topic is configured. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  /** `null` is a tombstone. */
  readonly value: Buffer | null;
  readonly headers: RawHeaders;
  /** Bytes of key, value and headers: what the record weighs in the buffer's budget. */
  readonly sizeBytes: number;
  /** Epoch milliseconds: when the bridge fetched it. */
  readonly receivedAtMs?: number;
  /** Why the client could not read it (a codec that is missing, a batch that unpacks to too much): only its place is known. */
  readonly undecodable?: string;
}

/** Where a record stands: `topic/partition/offset@timestamp`. The timestamp tells a topic made anew from the old one. */
export interface Coordinates {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: number;
}

/** The last value of a header, as Kafka's own `lastHeader` gives it. */
export function lastHeader(headers: RawHeaders, name: string): Buffer | undefined {
  if (!Object.hasOwn(headers, name)) return undefined;
  const value = headers[name];
  return Array.isArray(value) ? (value as readonly Buffer[]).at(-1) : (value as Buffer | undefined);
}

/**
 * Bytes as text, without loss: what is not UTF-8 or contains a control character becomes `~hex:<hex>`, since two
 * different byte strings must never become one text. For the same reason a text that itself begins with `~hex:` does.
 */
export function textOf(bytes: Buffer): string {
  const text = utf8Text(bytes);
  const verbatim =
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    text !== undefined && !/[\u0000-\u001f\u007f-\u009f]/.test(text) && !text.startsWith('~hex:');
  return verbatim ? text! : `~hex:${bytes.toString('hex')}`;
}

/** Every header as text; one that stands several times becomes an array. No prototype: a header may be called `__proto__`. */
function headersAsText(headers: RawHeaders): Record<string, string | string[]> {
  const result = Object.create(null) as Record<string, string | string[]>;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined || value === null) continue;
    result[name] = Array.isArray(value) ? value.map((one: Buffer) => textOf(one)) : textOf(value as Buffer);
  }
  return result;
}

/** What a handler is told of its record, beside the event. */
export function recordInfo(
  record: SourceRecord,
  eventType: string | undefined,
  idempotencyKey: string | undefined,
): RecordInfo {
  return {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset.toString(),
    key: record.key === null ? null : textOf(record.key),
    headers: headersAsText(record.headers),
    timestamp: record.timestampMs,
    eventType: eventType ?? null,
    idempotencyKey: idempotencyKey ?? null,
  };
}

/** The bytes that {@link textOf} made a text of. */
export function bytesOfText(text: string): Buffer {
  return text.startsWith('~hex:') ? Buffer.from(text.slice(5), 'hex') : Buffer.from(text, 'utf8');
}
