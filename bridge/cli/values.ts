import { InvalidArgumentError } from 'commander';
import { isJsonPointer } from '../intake/json-pointer.js';

/** `3` */
export function wholeNumber(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN; // Number('') is 0
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('Expected a whole number of at least 0.');
  return value;
}

/** A port of this machine alone, or `host:port`, as `0.0.0.0:9464` or `[::]:9464`. */
export function listenAddress(text: string): { readonly host?: string; readonly port: number } {
  const [, host, port] = /^(?:(\[[0-9a-fA-F:.]+\]|[^\s:/@,]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new InvalidArgumentError('Expected a port (9464) or `host:port` (0.0.0.0:9464, [::]:9464).');
  }
  return { ...(host === undefined ? {} : { host: host.replace(/^\[|\]$/g, '') }), port: Number(port) };
}

/** `0.5`: more than 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('Expected a number over 0.');
  return value;
}

/** Date.parse takes much more: for it, `5` is a day in 2001, and so is `orders 1`. */
const ISO_TIME = /^\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}:\d{2}.*)?)?$/;

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time, as epoch milliseconds: ISO 8601, epoch milliseconds, or how long ago (`90s`, `15m`, `2h`, `7d`). */
export function time(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text.trim()) ?? [];
  if (count !== undefined && unit !== undefined) return Date.now() - Number(count) * UNITS[unit]!;
  const value = /^\d{10,}$/.test(text) ? Number(text) : ISO_TIME.test(text) ? Date.parse(text) : Number.NaN;
  // What a Date can't hold would be an error later, without the option's name.
  if (Number.isNaN(new Date(value).getTime())) {
    throw new InvalidArgumentError(
      'Expected a time (2026-11-24T06:00:00Z, epoch milliseconds) or how long ago (15m, 2h, 7d).',
    );
  }
  return value;
}

/** An offset (fewer than twelve digits, or with `offset:`), or a time as above. */
export function place(text: string): bigint | Date {
  const offset = /^(?:offset:)?(\d+)$/.exec(text)?.[1];
  if (offset !== undefined && (offset.length < 12 || text.startsWith('offset:'))) return BigInt(offset);
  return new Date(time(text));
}

/** `name=value`, collected over several options: values by name. */
export function namedValues(
  text: string,
  before: Readonly<Record<string, readonly string[]>> = {},
): Readonly<Record<string, readonly string[]>> {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Expected `name=value`.');
  return { ...before, [name]: [...(before[name] ?? []), value] };
}

/** `/orderId` */
export function jsonPointer(text: string): string {
  if (!isJsonPointer(text)) throw new InvalidArgumentError('Expected a JSON pointer, such as /orderId.');
  return text;
}
