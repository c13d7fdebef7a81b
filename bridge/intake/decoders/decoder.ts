import type { DecodeContext } from '../../config/types.js';
import { BridgeError } from '../../errors.js';
import { oneLine } from '../one-line.js';

/**
 * Bytes to event. What it throws (or rejects with) is the record's own fault, except a `BridgeError` with
 * `retryable`: that is systemic, and says nothing about the record.
 */
export type Decoder = (value: Buffer, context: DecodeContext) => unknown;

/**
 * JSON.stringify, which is how an event goes to Temporal, recurses, and overflows the stack somewhere between 2,000
 * and 5,000 levels on Node 20; what reads it on the other side may have less stack left.
 */
export const MAX_DEPTH = 1_000;

/** The record's own fault: it will never be decodable. */
export function undecodable(message: string, cause?: unknown): BridgeError {
  return new BridgeError('KTB_RECORD', oneLine(message), { cause });
}

/** Whether an object nests deeper than {@link MAX_DEPTH}; one that contains itself does. */
export function isTooDeep(value: unknown, levelsLeft: number = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (levelsLeft === 0) return true;
  const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return children.some((one) => isTooDeep(one, levelsLeft - 1));
}
