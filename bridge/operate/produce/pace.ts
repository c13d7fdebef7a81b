import { delay } from '../../timing.js';

/** A timer is late by a millisecond or more; what was late is made up for, but not what was held up for long. */
const MADE_UP_MS = 200;

/** Each call of what it gives waits for its turn, one after the other: so many a second. */
export function pacedLines(
  perSecond: number | undefined,
  signal: AbortSignal,
): () => Promise<void> | undefined {
  if (perSecond === undefined) return () => undefined;
  let due = performance.now();
  return () => {
    const now = performance.now();
    due = Math.max(due + 1000 / perSecond, now - MADE_UP_MS);
    return due > now ? delay(due - now, signal) : undefined;
  };
}
