import { randomUUID } from 'node:crypto';
import { newTrace, traceIdOf, type Trace } from './trace.js';

export type HeaderValue = string | Buffer | Uint8Array | number | boolean | bigint | Date | null | undefined;

/** What a caller may give: odd values become text, what has no value is left out. */
export type MessageHeaders = Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>;

export type Header = readonly [name: string, value: Buffer | null];

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]+/g;

const OURS = ['idempotency-key', 'traceparent', 'trace-id', 'timestamp'] as const;

/** Whether none of the headers that every record has is given: then they are new ones. */
export function givesNoneOfOurs(given: MessageHeaders | undefined): boolean {
  if (given === undefined) return true;
  for (const name of OURS) if (given[name] !== undefined) return false;
  return true;
}

/** The headers that a caller gave, and the type of its event. */
export function givenHeaders(given: MessageHeaders | undefined, eventType: string | undefined): Header[] {
  const headers: Header[] = [];
  if (given) for (const name of Object.keys(given)) addHeader(headers, name, given[name]);
  if (eventType !== undefined && !has(headers, given, 'event-type'))
    headers.push(['event-type', Buffer.from(eventType.replace(CONTROL, ' '))]);
  return headers;
}

/**
 * The headers of a record: those that were given, and what is missing of `idempotency-key`, `trace-id`, `traceparent`,
 * `timestamp` and `event-type`.
 */
export function headersOf(
  given: MessageHeaders | undefined,
  facts: { readonly timestampMs: number; readonly eventType: string | undefined },
  active: Trace | undefined,
): readonly Header[] {
  const headers = givenHeaders(given, facts.eventType);
  if (!has(headers, given, 'idempotency-key')) add(headers, 'idempotency-key', randomUUID());
  if (!has(headers, given, 'traceparent')) {
    const { traceparent, traceId } = active ?? newTrace();
    add(headers, 'traceparent', traceparent);
    if (!has(headers, given, 'trace-id')) add(headers, 'trace-id', traceId);
  } else if (!has(headers, given, 'trace-id')) {
    const parent = headers.findLast(([name]) => name === 'traceparent')![1]!.toString('latin1');
    add(headers, 'trace-id', traceIdOf(parent) ?? (active ?? newTrace()).traceId);
  }
  if (!has(headers, given, 'timestamp')) add(headers, 'timestamp', String(facts.timestampMs));
  return headers;
}

/** A header that was given without a value is none. */
function has(headers: readonly Header[], given: MessageHeaders | undefined, name: string): boolean {
  return given !== undefined && Object.hasOwn(given, name) && headers.some(([one]) => one === name);
}

function add(headers: Header[], name: string, value: string): void {
  headers.push([name, Buffer.from(value, 'latin1')]);
}

/** kafkajs throws a TypeError at null and undefined; here they are no header. */
function addHeader(headers: Header[], name: string, value: HeaderValue | readonly HeaderValue[]): void {
  const clean = name.replace(CONTROL, ' ');
  if (clean === '') return;
  if (Array.isArray(value)) {
    for (const one of value as readonly HeaderValue[]) addHeader(headers, name, one);
  } else {
    const bytes = bytesOf(value as HeaderValue);
    if (bytes !== undefined) headers.push([clean, bytes]);
  }
}

/** Bytes stay as they are; text loses line breaks and other controls: a header must not forge a log line. */
function bytesOf(value: HeaderValue): Buffer | undefined {
  if (value === null || value === undefined) return undefined;
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? undefined : Buffer.from(value.toISOString());
  }
  if (typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol') {
    const json = jsonOf(value);
    return json === undefined ? undefined : Buffer.from(json);
  }
  return Buffer.from(String(value).replace(CONTROL, ' '));
}

function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
