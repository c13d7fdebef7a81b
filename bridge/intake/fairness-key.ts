import { createHash } from 'node:crypto';
import type { RecordInfo } from '../../workflows/contract.js';
import type { ResolvedRoute } from '../config/resolved.js';
import { textOf, type SourceRecord } from '../record.js';
import { headerText } from './header-text.js';
import { isPromise } from './idempotency-key.js';
import { compilePointer } from './json-pointer.js';
import { oneLine, thrownText } from './one-line.js';

const FAIRNESS_HEADER = 'fairness-key';
/** Temporal takes no longer ones. */
const LONGEST_BYTES = 64;
const HASH_DIGITS = 16;

/** It never throws. */
export type FairnessKeyReader = (
  record: SourceRecord,
  event: unknown,
  info: RecordInfo,
) => string | undefined;

/**
 * Reads whose a record is, by the route's `fairnessKey` (a pointer or a function) where it has one, and then by nothing
 * else; otherwise the last header `fairness-key`. What is no key is none: a share is no reason to hold a record up.
 * @param onBad told of the first that was no key
 */
export function createFairnessKeyReader(
  route: Pick<ResolvedRoute, 'id' | 'fairnessKey'>,
  onBad: (message: string) => void,
): FairnessKeyReader {
  const { fairnessKey } = route;
  let isSaid = false;
  const bad = (message: string): undefined => {
    if (isSaid) return;
    isSaid = true;
    onBad(`route \`${route.id}\`: ${oneLine(message)}; such records have no fairness key (said once)`);
  };
  const read = (value: unknown, whose: string): string | undefined => {
    if (value === undefined || value === null || value === '') return undefined;
    const isNumber = typeof value === 'number' && Number.isFinite(value);
    if (!isNumber && typeof value !== 'string')
      return bad(`Expected ${whose} a string or a number, got ${kindOf(value)}`);
    return shortened(textOf(Buffer.from(String(value), 'utf8')));
  };
  if (fairnessKey === undefined) {
    return (record) => {
      const text = headerText(record.headers, FAIRNESS_HEADER);
      return text === undefined ? undefined : shortened(text);
    };
  }
  if (typeof fairnessKey === 'function') {
    return (_record, event, info) => {
      let value: unknown;
      try {
        value = fairnessKey(event, info);
      } catch (error) {
        return bad(`The route's \`fairnessKey\` function failed: ${thrownText(error)}`);
      }
      return read(value, "the route's `fairnessKey` function to give");
    };
  }
  const lookUp = compilePointer(fairnessKey);
  return (_record, event) => read(lookUp(event), `the event to have at ${JSON.stringify(fairnessKey)}`);
}

/** A longer one is cut at a character, and its hash put behind: different keys stay different. */
function shortened(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= LONGEST_BYTES) return text;
  let end = LONGEST_BYTES - HASH_DIGITS - 1;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, HASH_DIGITS);
  return `${bytes.subarray(0, end).toString('utf8')}~${hash}`;
}

function kindOf(value: unknown): string {
  if (isPromise(value)) return 'a promise: it must be synchronous';
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
