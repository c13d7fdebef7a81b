import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface UntilOptions<T> {
  /** What is waited for, as it stands in the error: "the commit to reach the log's end". */
  readonly what: string;
  /** Long, since it is reached only where something is wrong; a busy machine must not reach it. @default 120_000 */
  readonly timeoutMs?: number;
  /** @default 100 */
  readonly everyMs?: number;
  /** When the value is what is waited for. @default it is truthy */
  readonly accept?: (value: T) => boolean;
  readonly signal?: AbortSignal;
}

/**
 * Asks until the answer is accepted, and gives it back. What the condition throws counts as "not yet" (servers are
 * away in these tests), but stands in the error; a TypeError or ReferenceError is a bug of the test and passes on.
 *
 * @throws Error that says what was waited for, for how long, and the last value or error
 * @example
 * const ends = await until(() => committedOffsets(brokers, group, topic), {
 *   what: 'every partition to be committed',
 *   accept: (offsets) => offsets.every(({ offset }) => offset === 100n),
 * });
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions<T>): Promise<T> {
  const { what, timeoutMs = 120_000, everyMs = 100, accept = Boolean, signal } = options;
  const deadline = performance.now() + timeoutMs;
  let last = 'nothing was answered';
  for (;;) {
    signal?.throwIfAborted();
    const round = new AbortController();
    try {
      const left = Math.max(deadline - performance.now(), everyMs);
      // A call that hangs (that is what these tests provoke) must not hang the wait with it.
      const late = delay(left, LATE, { signal: round.signal }).catch(() => LATE);
      const value = await Promise.race([Promise.resolve(condition()), late]);
      if (value === LATE) {
        last = `${last}; the last call had not answered after ${Math.round(left)} ms`;
      } else {
        if (accept(value as T)) return value as T;
        last = `the last value was ${inspect(value, { depth: 4, breakLength: 120, maxArrayLength: 20 })}`;
      }
    } catch (error) {
      if (error instanceof TypeError || error instanceof ReferenceError) throw error;
      last = `the last call failed: ${error instanceof Error ? error.message : inspect(error)}`;
    } finally {
      round.abort();
    }
    if (performance.now() >= deadline) {
      throw new Error(`Waited ${timeoutMs} ms for ${what}, in vain: ${last}`);
    }
    await delay(everyMs, undefined, { ...(signal && { signal }) }).catch(() => signal?.throwIfAborted());
  }
}

const LATE = Symbol('late');
