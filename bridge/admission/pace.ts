import PQueue from 'p-queue';
import type { Priority } from '../config/types.js';

/** Timers of Node overflow beyond it and fire at once. */
const LONGEST_INTERVAL_MS = 2 ** 31 - 1;
const QUEUE_PRIORITY: Readonly<Record<Priority, number>> = { high: 2, medium: 1, low: 0 };

/**
 * p-queue's own rate limit: at most `burst` in each window of the time that so many take at `perSecond`. So in any time t
 * never more than burst + perSecond x t pass, and on average all that the rate allows.
 */
export class Pace {
  readonly #queue: PQueue;
  /** How long a full burst takes to come back. */
  readonly windowMs: number;

  constructor(perSecond: number, burst: number) {
    this.windowMs = Math.min(LONGEST_INTERVAL_MS, Math.ceil((1000 * burst) / perSecond));
    // Strict: a window slides; p-queue's fixed ones let two bursts through at their border.
    this.#queue = new PQueue({ interval: this.windowMs, intervalCap: burst, strict: true });
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Resolves when it is its turn; higher priorities first. @throws the signal's reason, after it */
  async turn(priority: Priority, signal: AbortSignal): Promise<void> {
    await this.#queue.add(() => undefined, { priority: QUEUE_PRIORITY[priority], signal });
  }
}
