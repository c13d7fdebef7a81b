import type { Outcome } from '../delivery/outcomes.js';
import type { QuarantineReason } from '../../workflows/contract.js';
import type { QuarantineLimit } from '../config/types.js';

/** A route, or all records of a topic that no route is known for. */
export interface HoldScope {
  readonly topic: string;
  readonly routeId: string | undefined;
}

export interface Hold {
  readonly scope: HoldScope;
  readonly reason: 'quarantineLimit' | 'foreign' | 'operator';
  readonly message: string;
  readonly since: number;
}

export interface RouteHoldsOptions {
  readonly quarantineLimit: Required<QuarantineLimit> | undefined;
  /** Foreign keys in a row that hold a route. */
  readonly foreignLimit: number;
  readonly idPrefix: string;
  readonly now?: () => number;
  readonly onHold?: (hold: Hold) => void;
}

/**
 * Which routes are held. A broken decoder must not make a million quarantines, nor a missing `idPrefix`: beyond a limit
 * the route waits, loudly, and its records stay in Kafka.
 */
export class RouteHolds {
  readonly #options: RouteHoldsOptions;
  readonly #holds = new Map<string, Hold>();
  readonly #windows = new Map<string, Window>();
  readonly #foreignInARow = new Map<string, number>();
  readonly #waiters = new Set<() => void>();

  constructor(options: RouteHoldsOptions) {
    this.#options = options;
  }

  /** The hold that stops this record, if any. A record without a route waits for its topic's only. */
  holdOf(scope: HoldScope): Hold | undefined {
    return (
      this.#holds.get(keyOf({ topic: scope.topic, routeId: undefined })) ??
      (scope.routeId === undefined ? undefined : this.#holds.get(keyOf(scope)))
    );
  }

  get all(): readonly Hold[] {
    return [...this.#holds.values()];
  }

  /** Resolves when a hold is lifted; at once, and forever, after the signal. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiters.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#waiters.add(wake);
    });
  }

  /**
   * May this record go into quarantine? Asked right before, and exactly once for each: `false` means that the route is
   * held now, and the record waits.
   */
  mayQuarantine(scope: HoldScope, reason: QuarantineReason): boolean {
    if (this.holdOf(scope)) return false;
    if (reason === 'foreign') return this.#mayTakeForeign(scope);
    const limit = this.#options.quarantineLimit;
    if (!limit) return true;
    const window = this.#windowOf(scope, limit.window);
    const { bad, size } = window.withOneMore();
    if (bad > limit.count && bad / size > limit.share) {
      this.hold({
        scope,
        reason: 'quarantineLimit',
        message:
          `${window.bad} of the last ${window.size} records of ${nameOf(scope)} went into quarantine (last: ${reason}); ` +
          `it is held. Mend the decoder or the route and start the bridge again; \`quarantineLimit\` sets the bounds`,
        since: this.#now(),
      });
      return false;
    }
    window.add(true);
    return true;
  }

  /** A record ended well, or in a way that is nobody's fault. */
  passed(scope: HoldScope, outcome: Outcome): void {
    if (outcome === 'quarantined' || outcome === 'conflict' || outcome === 'foreign') return;
    this.#foreignInARow.delete(keyOf(scope));
    const limit = this.#options.quarantineLimit;
    if (!limit) return;
    this.#windowOf(scope, limit.window).add(false);
    // Decoded and routed: that counts for its topic as well, or one undecodable record in a thousand would look like all.
    if (scope.routeId !== undefined)
      this.#windowOf({ topic: scope.topic, routeId: undefined }, limit.window).add(false);
  }

  hold(hold: Hold): void {
    const key = keyOf(hold.scope);
    if (this.#holds.has(key)) return;
    this.#holds.set(key, hold);
    this.#options.onHold?.(hold);
  }

  lift(scope: HoldScope): boolean {
    const lifted = this.#holds.delete(keyOf(scope));
    this.#windows.delete(keyOf(scope));
    this.#foreignInARow.delete(keyOf(scope));
    for (const wake of this.#waiters) wake();
    return lifted;
  }

  #mayTakeForeign(scope: HoldScope): boolean {
    const inARow = (this.#foreignInARow.get(keyOf(scope)) ?? 0) + 1;
    this.#foreignInARow.set(keyOf(scope), inARow);
    if (inARow >= this.#options.foreignLimit) {
      this.hold({
        scope,
        reason: 'foreign',
        message:
          `${inARow} records in a row of ${nameOf(scope)} have keys whose workflow IDs belong to another subscription or route; ` +
          `it is held. Set \`idPrefix\` (now ${JSON.stringify(this.#options.idPrefix)}) to one of your own and start the bridge again`,
        since: this.#now(),
      });
    }
    return true;
  }

  #windowOf(scope: HoldScope, size: number): Window {
    const key = keyOf(scope);
    let window = this.#windows.get(key);
    if (!window) this.#windows.set(key, (window = new Window(size)));
    return window;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** The last so many records: which of them went into quarantine. */
class Window {
  readonly #slots: Uint8Array;
  #next = 0;
  size = 0;
  bad = 0;

  constructor(capacity: number) {
    this.#slots = new Uint8Array(capacity);
  }

  /** How it would stand if this one were bad: a full window loses its oldest. */
  withOneMore(): { readonly bad: number; readonly size: number } {
    const full = this.size === this.#slots.length;
    const lost = full ? this.#slots[this.#next]! : 0;
    return { bad: this.bad - lost + 1, size: full ? this.size : this.size + 1 };
  }

  add(bad: boolean): void {
    if (this.size === this.#slots.length) this.bad -= this.#slots[this.#next]!;
    else this.size++;
    this.#slots[this.#next] = bad ? 1 : 0;
    this.bad += bad ? 1 : 0;
    this.#next = (this.#next + 1) % this.#slots.length;
  }
}

function keyOf(scope: HoldScope): string {
  // A route's hold is the route's on every topic of its pattern; undecodable records count against their topic.
  return scope.routeId === undefined ? `topic ${scope.topic}` : `route ${scope.routeId}`;
}

function nameOf(scope: HoldScope): string {
  return scope.routeId === undefined ? `topic \`${scope.topic}\`` : `route \`${scope.routeId}\``;
}
