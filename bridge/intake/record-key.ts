import { createHash } from 'node:crypto';

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
