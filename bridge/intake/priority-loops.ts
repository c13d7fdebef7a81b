import type { Priority } from '../config/types.js';
import { PRIORITIES } from '../priority.js';

/** What the loops take from. */
interface PrioritySource<E> {
  has(priority: Priority): boolean;
  take(priority: Priority): E | undefined;
}

export interface PriorityLoopsOptions<E> {
  readonly queue: PrioritySource<E>;
  /**
   * Hands one on; the next of its priority is taken when it resolves, or rejects.
   * @param stepAside to be called when it waits where priorities count (for a permit), or for what others don't need:
   * lower priorities go on then
   */
  readonly step: (entry: E, priority: Priority, stepAside: () => void) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * A loop for each priority over one queue, so that a record of high priority asks for its permit while others wait for
 * theirs, and one that is held back (its route is) holds back its own priority only. While a higher one is on its way to
 * where it waits, lower ones do not ask.
 */
export class PriorityLoops<E> {
  readonly #options: PriorityLoopsOptions<E>;
  /** Those that hand on now, and whether they have stepped aside. */
  readonly #busy = new Map<Priority, boolean>();
  readonly #sleeping = new Set<() => void>();

  constructor(options: PriorityLoopsOptions<E>) {
    this.#options = options;
    options.signal.addEventListener('abort', () => this.wake(), { once: true });
    for (const priority of PRIORITIES) void this.#run(priority);
  }

  /** Whether one of them hands on. */
  get busy(): boolean {
    return this.#busy.size > 0;
  }

  /** The queue has changed. */
  wake(): void {
    for (const wake of this.#sleeping) wake();
  }

  async #run(priority: Priority): Promise<void> {
    const { queue, step, signal } = this.#options;
    while (!signal.aborted) {
      const entry = this.#mayGo(priority) ? queue.take(priority) : undefined;
      if (entry === undefined) {
        await this.#changed();
        continue;
      }
      this.#busy.set(priority, false);
      try {
        await step(entry, priority, () => {
          this.#busy.set(priority, true);
          this.wake();
        });
      } finally {
        this.#busy.delete(priority);
        this.wake();
      }
    }
  }

  #mayGo(priority: Priority): boolean {
    for (const higher of PRIORITIES) {
      if (higher === priority) return true;
      const isAside = this.#busy.get(higher);
      if (isAside === undefined ? this.#options.queue.has(higher) : !isAside) return false;
    }
    return true;
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#sleeping.delete(wake);
        resolve();
      };
      this.#sleeping.add(wake);
    });
  }
}
