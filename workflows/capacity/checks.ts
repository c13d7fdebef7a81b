/**
 * What comes by signal or Update can be anybody's: of another release, broken, or hostile. It is looked at here, at the
 * door; inside, everything is a whole number in its bounds.
 */
import type {
  CapacitySettings,
  Decided,
  LeaseRequest,
  LimitOptions,
  StreamState,
  WorkerReport,
} from './contract.js';
import { NumberSet } from './numbers.js';

const MOST = 2 ** 40;
const DAY_MS = 86_400_000;
/** Limits, caps and demands: more than any set of workers takes. */
const MOST_RECORDS = 100_000;
const MOST_STREAMS = 200;
const MOST_RANGES_TEXT = 20_000;
const MOST_PAUSES = 500;
const ID = /^[\w.-]{1,60}$/;

function isCount(value: unknown, most = MOST): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MOST;
}

export function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length <= most;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown, most: number, length: number): value is readonly string[] {
  return Array.isArray(value) && value.length <= most && value.every((one) => isText(one, length));
}

/** By stream; undefined where it is no such thing. */
export function rangesByStream(value: unknown): Map<string, NumberSet> | undefined {
  if (!isObject(value)) return undefined;
  const entries = Object.entries(value);
  const good = entries.every(([id, text]) => ID.test(id) && isText(text, MOST_RANGES_TEXT));
  if (!good || entries.length > 2 * MOST_STREAMS) return undefined;
  return new Map(entries.map(([id, text]) => [id, withoutAbsurd(NumberSet.from(text as string))]));
}

function withoutAbsurd(numbers: NumberSet): NumberSet {
  numbers.deleteRange(MOST, Number.MAX_SAFE_INTEGER);
  return numbers;
}

/**
 * A report that is whole. One by a clock that is a day off is not: nothing of what it tells of times could be believed.
 */
export function isReport(value: unknown, nowMs: number): value is WorkerReport {
  if (!isObject(value)) return false;
  const { slots } = value;
  return (
    isText(value['worker'], 60) &&
    ID.test(value['worker']) &&
    isText(value['identity'], 200) &&
    isCount(value['sequence']) &&
    typeof value['sentAt'] === 'number' &&
    Math.abs(value['sentAt'] - nowMs) <= DAY_MS &&
    isSum(value['responses']) &&
    isSum(value['waits'], -DAY_MS) &&
    rangesByStream(value['released']) !== undefined &&
    rangesByStream(value['running']) !== undefined &&
    isCount(value['others'], MOST_RECORDS) &&
    isObject(slots) &&
    isCount(slots['total'], MOST_RECORDS) &&
    isCount(slots['free'], MOST_RECORDS) &&
    isTexts(value['pressure'], 10, 20)
  );
}

/** `least` of a mean: a worker whose clock is late tells of waits below nothing. */
function isSum(value: unknown, least = 0): boolean {
  if (!isObject(value) || !isCount(value['count'])) return false;
  const { count, sumMs } = value as { count: number; sumMs: unknown };
  if (typeof sumMs !== 'number' || !Number.isFinite(sumMs)) return false;
  return sumMs >= least * count && sumMs <= MOST * 1_000;
}

/** A request that is whole but for its streams, which are looked at one by one. */
export function isLeaseRequest(value: unknown): value is LeaseRequest {
  if (!isObject(value)) return false;
  const { bridge, identity, name, sequence, streams, caps } = value;
  return (
    isText(bridge, 40) &&
    /^[\w-]{1,40}$/.test(bridge) &&
    isText(identity, 200) &&
    isText(name, 200) &&
    isCount(sequence) &&
    Array.isArray(streams) &&
    streams.length <= MOST_STREAMS &&
    isObject(caps) &&
    isTexts(Object.keys(caps), 50, 100)
  );
}

export function isStream(value: unknown, bridge: string): value is StreamState {
  if (!isObject(value)) return false;
  const { id, classes, next, upTo, demand, high, returned } = value;
  return (
    isText(id, 60) &&
    ID.test(id) &&
    id.startsWith(`${bridge}.`) &&
    isTexts(classes, 4, 100) &&
    isCount(next) &&
    isCount(upTo) &&
    upTo >= next &&
    isCount(demand) &&
    isCount(high) &&
    isText(returned, MOST_RANGES_TEXT)
  );
}

export function isCap(value: unknown): value is number {
  return isCount(value, MOST_RECORDS) && value >= 1;
}

export function isOptions(value: unknown): value is LimitOptions {
  if (!isObject(value)) return false;
  const { limit, initial, minimum, maximum, slowMs, fastMs, slotLeaseMs } = value;
  return (
    (limit === 'aimd' || limit === 'gradient' || limit === 'fixed') &&
    [initial, minimum, maximum].every(isCap) &&
    (minimum as number) <= (maximum as number) &&
    [slowMs, fastMs, slotLeaseMs].every((one) => isAmount(one) && one > 0)
  );
}

export function isBacklog(value: unknown): value is { readonly count: number } {
  return isObject(value) && isCount(value['count']);
}

export function isSettings(value: unknown): value is CapacitySettings {
  if (!isObject(value) || !isCount(value['version']) || !isObject(value['pauses'])) return false;
  const { limit } = value;
  const pauses = Object.entries(value['pauses']);
  return (
    (limit === null || isDecided(limit, isCap)) &&
    pauses.length <= MOST_PAUSES &&
    pauses.every(([scope, one]) => isText(scope, 300) && isDecided(one, (paused) => paused === true))
  );
}

function isDecided(value: unknown, isValue: (value: unknown) => boolean): value is Decided<unknown> {
  if (!isObject(value) || !isValue(value['value'])) return false;
  return isText(value['who'], 300) && isText(value['why'], 1_000) && Number.isFinite(value['at']);
}
