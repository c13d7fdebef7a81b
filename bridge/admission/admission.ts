import PQueue from 'p-queue';
import type { Priority } from '../config/types.js';

/** The right to put so many records onto the workers. Given back exactly once; again does nothing. */
export interface Permit {
  /** In records. */
  readonly weight: number;
  readonly route: string;
  /** The slots of its records, as text for their memos: as many as its weight, or none where no worker is asked. */
  readonly slots: readonly string[];
  release(why: ReleaseReason): void;
}

/**
 * Why a permit came back. `inWork`: its records were started, and its slots come back by the workers' reports. Otherwise
 * they are free at once.
 */
export type ReleaseReason = 'inWork' | 'settled' | 'returned' | 'faulted';

export interface AcquireOptions {
  /** In records. */
  readonly weight: number;
  readonly priority: Priority;
  readonly route: string;
  /** Of what it will start, where the route starts workflows of the user's. */
  readonly workflowType?: string;
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

interface Waiting {
  readonly priority: number;
  readonly weight: number;
}

/**
 * p-queue orders what waits; it knows no weights, so this counts the weight in flight and opens and shuts its gate. One
 * task at a time passes the gate, and it only counts: the work itself runs outside of the queue.
 */
export class QueueAdmission implements Admission {
  readonly #queue = new PQueue({ concurrency: 1, autoStart: true });
  readonly #holds = new Set<string>();
  /** What p-queue holds, in the order of its coming: the gate must know what the next one weighs. */
  readonly #waiting = new Set<Waiting>();
  #limit: number;
  #inFlight = 0;

  constructor(limit: number) {
    this.#limit = checked(limit);
  }

  async acquire(options: AcquireOptions): Promise<Permit> {
    const { weight, route, signal } = options;
    signal.throwIfAborted();
    const waiting: Waiting = { priority: QUEUE_PRIORITY[options.priority], weight };
    const leave = () => {
      if (this.#waiting.delete(waiting)) this.#turnGate();
    };
    signal.addEventListener('abort', leave, { once: true }); // before p-queue's own, which looks at the gate
    this.#waiting.add(waiting);
    if (!this.#open) this.#queue.pause();
    const admitted = this.#queue.add(
      () => {
        signal.removeEventListener('abort', leave);
        this.#waiting.delete(waiting);
        this.#inFlight += weight;
        this.#turnGate();
        return this.#permit(weight, route);
      },
      { priority: waiting.priority, signal },
    );
    this.#turnGate();
    return admitted;
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
      waiting: this.#waiting.size,
      holds: [...this.#holds],
    };
  }

  #permit(weight: number, route: string): Permit {
    let given = true;
    return {
      weight,
      route,
      slots: [],
      release: () => {
        if (!given) return;
        given = false;
        this.#inFlight -= weight;
        this.#turnGate();
      },
    };
  }

  /** While there is room for the next one. A permit heavier than the limit passes alone, or it never would. */
  get #open(): boolean {
    if (this.#holds.size > 0) return false;
    return this.#inFlight === 0 || this.#inFlight + (this.#next?.weight ?? 1) <= this.#limit;
  }

  get #next(): Waiting | undefined {
    let next: Waiting | undefined;
    for (const one of this.#waiting) if (next === undefined || one.priority > next.priority) next = one;
    return next;
  }

  #turnGate(): void {
    const open = this.#open;
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
