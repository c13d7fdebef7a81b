import PQueue from 'p-queue';
import type { Priority } from '../config/types.js';

/** The right to put so many records onto the workers. Given back exactly once; again does nothing. */
export interface Permit {
  /** In records. */
  readonly weight: number;
  readonly route: string;
  release(why: ReleaseReason): void;
}

/** Why a permit came back: only what a worker's answer says may move a limit. */
export type ReleaseReason = 'settled' | 'returned' | 'faulted';

export interface AcquireOptions {
  /** In records. */
  readonly weight: number;
  readonly priority: Priority;
  readonly route: string;
  /** Ends the wait: the promise is then rejected with the signal's reason. */
  readonly signal: AbortSignal;
}

export interface AdmissionState {
  readonly limit: number;
  /** Weight given out and not yet back. */
  readonly inFlight: number;
  /** Acquires that wait. */
  readonly waiting: number;
  /** What keeps the gate shut beside the limit. */
  readonly holds: readonly string[];
}

/** Decides what may go on to Temporal, and when. Nobody else knows p-queue. */
export interface Admission {
  acquire(options: AcquireOptions): Promise<Permit>;
  /** In records. At least 1. */
  setLimit(limit: number): void;
  /** Shuts the gate for a reason, until the same reason is lifted. */
  hold(reason: string): void;
  lift(reason: string): void;
  state(): AdmissionState;
}

const QUEUE_PRIORITY: Readonly<Record<Priority, number>> = { high: 2, medium: 1, low: 0 };

/**
 * p-queue orders what waits; it knows no weights, so this counts the weight in flight and opens and shuts its gate. One
 * task at a time passes the gate, and it only counts: the work itself runs outside of the queue.
 */
export class QueueAdmission implements Admission {
  readonly #queue = new PQueue({ concurrency: 1, autoStart: true });
  readonly #holds = new Set<string>();
  #limit: number;
  #inFlight = 0;

  constructor(limit: number) {
    this.#limit = checked(limit);
  }

  async acquire(options: AcquireOptions): Promise<Permit> {
    const { weight, route, signal } = options;
    signal.throwIfAborted();
    return this.#queue.add(
      () => {
        this.#inFlight += weight;
        this.#turnGate();
        return this.#permit(weight, route);
      },
      { priority: QUEUE_PRIORITY[options.priority], signal },
    );
  }

  setLimit(limit: number): void {
    this.#limit = checked(limit);
    this.#turnGate();
  }

  hold(reason: string): void {
    this.#holds.add(reason);
    this.#turnGate();
  }

  lift(reason: string): void {
    this.#holds.delete(reason);
    this.#turnGate();
  }

  state(): AdmissionState {
    return {
      limit: this.#limit,
      inFlight: this.#inFlight,
      waiting: this.#queue.size,
      holds: [...this.#holds],
    };
  }

  #permit(weight: number, route: string): Permit {
    let given = true;
    return {
      weight,
      route,
      release: () => {
        if (!given) return;
        given = false;
        this.#inFlight -= weight;
        this.#turnGate();
      },
    };
  }

  /** Open while there is room for at least one more: a permit heavier than the limit passes alone, or never would. */
  #turnGate(): void {
    const open = this.#holds.size === 0 && this.#inFlight < this.#limit;
    if (open && this.#queue.isPaused) this.#queue.start();
    else if (!open && !this.#queue.isPaused) this.#queue.pause();
  }
}

function checked(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new RangeError(`Expected \`limit\` to be a whole number of at least 1, got ${limit}`);
  }
  return limit;
}
