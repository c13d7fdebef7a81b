import type { Priority } from '../config/types.js';
import { rankOf } from '../priority.js';

interface Present {
  readonly priority: Priority;
  deferred: boolean;
}

/**
 * Which priorities may pass at all. What lies below the floor waits, however much room there is; since higher priorities go
 * first anyway, nothing that may pass ever stands behind something that may not.
 */
export class PriorityFloor {
  readonly #floors = new Map<string, Priority>();
  readonly #present = new Set<Present>();
  readonly #onDeferred: ((reason: string) => void) | undefined;

  constructor(onDeferred?: (reason: string) => void) {
    this.#onDeferred = onDeferred;
  }

  /** Lets nothing below this priority pass, until the same reason is lowered. */
  raise(reason: string, priority: Priority): void {
    this.#floors.set(reason, priority);
    for (const one of this.#present) this.#judge(one);
  }

  lower(reason: string): void {
    this.#floors.delete(reason);
  }

  passes(priority: Priority): boolean {
    return this.#reasonAgainst(priority) === undefined;
  }

  get reasons(): readonly string[] {
    return [...this.#floors.keys()];
  }

  /** Something waits from here on, until the function that it returns is called. */
  waits(priority: Priority): () => void {
    const one: Present = { priority, deferred: false };
    this.#present.add(one);
    this.#judge(one);
    return () => void this.#present.delete(one);
  }

  /** Each that waits is deferred once, however often the floor moves. */
  #judge(one: Present): void {
    const reason = this.#reasonAgainst(one.priority);
    if (one.deferred || reason === undefined) return;
    one.deferred = true;
    this.#onDeferred?.(reason);
  }

  #reasonAgainst(priority: Priority): string | undefined {
    const rank = rankOf(priority);
    for (const [reason, floor] of this.#floors) if (rank > rankOf(floor)) return reason;
    return undefined;
  }
}
