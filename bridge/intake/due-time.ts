import type { RecordInfo } from '../../workflows/contract.js';
import { isToTarget, type ResolvedRoute } from '../config/resolved.js';
import type { SourceRecord } from '../record.js';
import { headerText } from './header-text.js';
import { isPromise } from './idempotency-key.js';
import { compilePointer } from './json-pointer.js';
import { oneLine, thrownText } from './one-line.js';

const NOT_BEFORE_HEADER = 'not-before';

/** Farther ahead is taken for a mistake: no namespace's retention, and no producer's patience, goes so far. */
export const LONGEST_DELAY_MS = 366 * 86_400_000;

/** Numbers between these are no milliseconds that anybody means (1970 to 1973), but seconds of our days. */
const SECONDS = { from: 100_000_000, to: 100_000_000_000 };

/** With its offset: without one it would mean another moment on each machine. */
const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/i;

/** When a record's execution may begin, epoch milliseconds; `at: undefined` is at once. */
export type DueTime =
  { readonly ok: true; readonly at: number | undefined } | { readonly ok: false; readonly message: string };

/** It never throws. */
export type DueTimeReader = (
  record: SourceRecord,
  event: unknown,
  info: RecordInfo,
  nowMs: number,
) => DueTime;

/**
 * Reads by the route's `notBefore` (a pointer or a function) where it has one, and then by nothing else; otherwise the
 * last header `not-before`. Milliseconds since 1970, or ISO 8601.
 */
export function createDueTimeReader(route: Pick<ResolvedRoute, 'notBefore' | 'target'>): DueTimeReader {
  const { notBefore } = route;
  // A signal or an update that waits would hold its target's later ones, and its partition's commits, with it.
  if (isToTarget(route.target)) return () => ({ ok: true, at: undefined });
  if (notBefore === undefined) {
    return (record, _event, _info, nowMs) =>
      dueTime(headerText(record.headers, NOT_BEFORE_HEADER), 'header `not-before` to be', nowMs);
  }
  if (typeof notBefore === 'function') {
    return (_record, event, info, nowMs) => {
      let value: unknown;
      try {
        value = notBefore(event, info);
      } catch (error) {
        return wrong(`The route's \`notBefore\` function failed: ${thrownText(error)}`);
      }
      return dueTime(value, "the route's `notBefore` function to give", nowMs);
    };
  }
  const lookUp = compilePointer(notBefore);
  return (_record, event, _info, nowMs) =>
    dueTime(lookUp(event), `the event to have at ${JSON.stringify(notBefore)}`, nowMs);
}

/**
 * Why a record is too old for its route, if it is. A redelivered record may have been started before: its execution goes
 * on, and stays its key's dedupe entry; only our count calls it `expired`.
 */
export function tooOldMessage(
  record: SourceRecord,
  route: ResolvedRoute,
  notBeforeMs: number | undefined,
  nowMs: number,
): string | undefined {
  // Kafka's word for "no timestamp" is -1.
  if (route.maxAgeMs === undefined || record.timestampMs < 0) return undefined;
  const ageMs = nowMs - Math.max(record.timestampMs, notBeforeMs ?? 0);
  if (ageMs <= route.maxAgeMs) return undefined;
  return `Expected a record of at most ${route.maxAgeMs} ms of age (\`maxAgeMs\`), got one of ${ageMs} ms`;
}

function dueTime(value: unknown, whose: string, nowMs: number): DueTime {
  if (value === undefined || value === null || value === '') return { ok: true, at: undefined };
  const expected = `Expected ${whose} a time in epoch milliseconds or ISO 8601 with its offset`;
  if (isPromise(value)) return wrong(`${expected}, got a promise: it must be synchronous`);
  const at = millisecondsOf(value);
  if (at === undefined) return wrong(`${expected}, got ${shown(value)}`);
  if (at >= SECONDS.from && at < SECONDS.to) return wrong(`${expected}, got ${at}, which looks like seconds`);
  if (at - nowMs > LONGEST_DELAY_MS) {
    return wrong(`Expected ${whose} a time at most 366 days ahead, got ${shown(value)}`);
  }
  return { ok: true, at };
}

function millisecondsOf(value: unknown): number | undefined {
  let ms: number = NaN;
  if (typeof value === 'number') ms = value;
  else if (value instanceof Date) ms = value.getTime();
  else if (typeof value === 'string') {
    const text = value.trim();
    if (/^\d{1,16}$/.test(text)) ms = Number(text);
    else if (ISO_8601.test(text)) ms = Date.parse(text);
  }
  return Number.isFinite(ms) && ms >= 0 ? Math.floor(ms) : undefined;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(oneLine(value, 100));
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'an array' : 'an object';
}

function wrong(message: string): DueTime {
  return { ok: false, message: oneLine(message) };
}
