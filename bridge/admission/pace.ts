import PQueue from 'p-queue';
import type { Priority } from '../config/types.js';
import { queuePriorityOf } from '../priority.js';
import { within } from '../timing.js';

/** Timers of Node overflow beyond it and fire at once. */
const LONGEST_WINDOW_MS = 2 ** 31 - 1_000;
/** Timers are late, never by so much. */
const LATE_MS = 500;

/**
 * p-queue's own rate limit: at most `burst` in each window of the time that so many take at `perSecond`. So in any time t
 * never more than burst + perSecond x t pass, and on average all that the rate allows.
 */
export class Pace {
  /** How long a full burst takes to come back. */
  readonly windowMs: number;
  readonly #burst: number;
  readonly #line = new PQueue({ concurrency: 1 });
  #window: PQueue;

  constructor(perSecond: number, burst: number) {
    this.#burst = burst;
    this.windowMs = Math.min(LONGEST_WINDOW_MS, Math.ceil((1000 * burst) / perSecond));
    this.#window = this.#newWindow();
  }

  /** Resolves when it is its turn; higher priorities first. @throws the signal's reason, after it */
  async turn(priority: Priority, signal: AbortSignal): Promise<void> {
    await this.#line.add(() => this.#next(signal), { priority: queuePriorityOf(priority), signal });
  }

  async #next(signal: AbortSignal): Promise<void> {
    for (;;) {
      const passed = this.#window.add(() => true, { signal });
      if (await within(passed, this.windowMs + LATE_MS, () => false)) return;
      // p-queue counts by the wall clock, which was set back: it would wait until that is where it was. A whole window
      // has passed by the timers, so there is nothing that a new one must know.
      this.#window = this.#newWindow();
    }
  }

  #newWindow(): PQueue {
    // Strict: the window slides; p-queue's fixed ones let two bursts through at their border.
    return new PQueue({ interval: this.windowMs, intervalCap: this.#burst, strict: true });
  }
}
