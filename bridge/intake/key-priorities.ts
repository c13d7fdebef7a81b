import type { Priority } from '../config/types.js';
import { rankOf } from '../priority.js';

const KEPT_MS = 60_000;
const KEPT_KEYS = 10_000;

interface Started {
  readonly priority: Priority;
  readonly at: number;
}

/**
 * With which priority the records of a key were started lately. Temporal hands out tasks by priority: a later record of
 * the key would overtake an earlier one there, if it had a higher one. So it gets none that is higher than that of an
 * earlier one of the last minute; of the 10,000 keys that were used last, so that memory is bounded.
 */
export class KeyPriorities {
  readonly #started = new Map<string, Started>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#started.size;
  }

  /** The priority for the start of a record of this key, which is about to begin. */
  next(topic: string, key: string | undefined, wanted: Priority): Priority {
    if (key === undefined) return wanted;
    const at = this.#now();
    this.#forget(at);
    const id = `${topic} ${key}`;
    const before = this.#started.get(id)?.priority ?? 'high';
    const priority = rankOf(before) > rankOf(wanted) ? before : wanted;
    // Nothing is higher: it holds nobody back, and need not be kept.
    if (priority === 'high') return priority;
    this.#started.delete(id); // the map's order is that of the last use
    this.#started.set(id, { priority, at });
    return priority;
  }

  #forget(now: number): void {
    for (const [id, { at }] of this.#started) {
      if (this.#started.size < KEPT_KEYS && now - at < KEPT_MS) return;
      this.#started.delete(id);
    }
  }
}
