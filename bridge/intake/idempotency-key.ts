import type { RecordInfo } from '../../workflows/contract.js';
import type { ResolvedRoute } from '../config/resolved.js';
import { textOf } from '../record.js';
import type { SourceRecord } from '../record.js';
import { OWN_PREFIX } from '../temporal/ids.js';
import { cloudEventKey, cloudEventOf } from './decoders/cloudevents.js';
import { headerText } from './header-text.js';
import { compilePointer } from './json-pointer.js';
import type { RecordKey } from './mapped-record.js';
import { oneLine, thrownText } from './one-line.js';

export const IDEMPOTENCY_KEY_HEADER = 'idempotency-key';

/** What a record says about its key. `missing` is for the route's `missingKey` to judge, `invalid` goes to quarantine. */
export type KeyResult =
  | { readonly kind: 'key'; readonly key: RecordKey & { readonly text: string } }
  | { readonly kind: 'missing' }
  | { readonly kind: 'invalid'; readonly message: string };

/** `info.idempotencyKey` is the header's, for functions that want to fall back on it. It never throws. */
export type KeyReader = (record: SourceRecord, event: unknown, info: RecordInfo) => KeyResult;

/**
 * Reads keys as a route wants them: by its `key` (a pointer or a function) where it has one, and then by nothing else;
 * otherwise the last header `idempotency-key`, else a CloudEvent's source and ID. What is empty is missing.
 */
export function createKeyReader(route: Pick<ResolvedRoute, 'key'>): KeyReader {
  const { key } = route;
  if (key === undefined) return (record, event) => givenKey(record, event);
  if (typeof key === 'function') {
    return (_record, event, info) => {
      let value: unknown;
      try {
        value = key(event, info);
      } catch (error) {
        return invalid(`The route's key function failed: ${thrownText(error)}`);
      }
      return routeKey(value, "the route's key function to give");
    };
  }
  const lookUp = compilePointer(key);
  return (_record, event) => routeKey(lookUp(event), `the event to have at ${JSON.stringify(key)}`);
}

/** The header's text, for {@link RecordInfo} before the key is known. */
export function headerKey(record: SourceRecord): string | undefined {
  return headerText(record.headers, IDEMPOTENCY_KEY_HEADER);
}

function givenKey(record: SourceRecord, event: unknown): KeyResult {
  const header = headerKey(record);
  if (header !== undefined) return keyResult('header', header);
  const cloudEvent = cloudEventKey(cloudEventOf(record, event));
  return cloudEvent === undefined ? { kind: 'missing' } : keyResult('cloudevent', cloudEvent);
}

function routeKey(value: unknown, whose: string): KeyResult {
  if (value === undefined || value === null || value === '') return { kind: 'missing' };
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return invalid(`Expected ${whose} a finite number, got ${value}`);
    // JSON.parse has rounded it by now: two keys may have become one.
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      return invalid(
        `Expected ${whose} a string or a number below 2^53, got a larger number: its last digits are lost`,
      );
    }
    return keyResult('route', String(value));
  }
  if (typeof value === 'string') {
    // Such text has no UTF-8 of its own: different keys would become the same bytes.
    if (/\p{Surrogate}/u.test(value))
      return invalid(`Expected ${whose} Unicode text, got half of a surrogate pair`);
    return keyResult('route', textOf(Buffer.from(value, 'utf8')));
  }
  if (isPromise(value)) {
    return invalid(`Expected ${whose} a string or a number, got a promise: it must be synchronous`);
  }
  return invalid(`Expected ${whose} a string or a number, got ${kindOf(value)}`);
}

/** A key's text, unless it could forge an ID of ours. */
export function keyResult(source: 'header' | 'route' | 'cloudevent', text: string): KeyResult {
  if (text.startsWith(OWN_PREFIX)) {
    return invalid(
      `Expected a key that doesn't begin with '${OWN_PREFIX}', got ${oneLine(text, 100)}: it could forge one of the bridge's own IDs`,
    );
  }
  return { kind: 'key', key: { source, text } };
}

function invalid(message: string): KeyResult {
  return { kind: 'invalid', message: oneLine(message) };
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Whether a user's function, which had to be synchronous, has given a promise; its rejection must not end the process. */
export function isPromise(value: unknown): boolean {
  if (!(value instanceof Promise)) return false;
  value.catch(() => undefined);
  return true;
}
