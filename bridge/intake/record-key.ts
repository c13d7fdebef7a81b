import { createHash } from 'node:crypto';
import { lastHeader, type SourceRecord } from '../record.js';
import { IDEMPOTENCY_KEY_HEADER } from './idempotency-key.js';

const LONGEST_VERBATIM = 64;

/**
 * A record key as text to compare by: the same bytes, the same text. A long one is its hash, since keys can be as large
 * as records. Undefined for a record without a key: it keeps no order with others.
 */
export function recordKeyText(key: Buffer | null): string | undefined {
  if (key === null) return undefined;
  if (key.length <= LONGEST_VERBATIM) return `=${key.toString('latin1')}`;
  return `#${createHash('sha256').update(key).digest('base64')}`;
}

/** What must not be overtaken within: the record key, or else the idempotency key, of which the first one counts. */
export function orderKeyText({ key, headers }: SourceRecord): string | undefined {
  if (key !== null) return recordKeyText(key);
  const header = lastHeader(headers, IDEMPOTENCY_KEY_HEADER);
  return header && header.length > 0 ? `id${recordKeyText(header)}` : undefined;
}
