import PQueue from 'p-queue';
import type { Priority } from '../config/types.js';
import { queuePriorityOf, rankOf } from '../priority.js';
import { PriorityFloor } from './priority-floor.js';
import type { SlotGate } from './slot-gate.js';

/** The right to put so many records onto the workers. Given back exactly once; again does nothing. */
export interface Permit {
  /** In records. */
  readonly weight: number;
  readonly route: string;
  /** The slots of its records, as text for their memos: as many as its weight, or none where no worker is asked. */
  readonly slots: readonly string[];
  /** @param used with `inWork`: the slots that went along; all of them by default */
  release(why: ReleaseReason, used?: readonly string[]): void;
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
  /** It puts nothing onto the workers now: it takes no slot. @default false */
  readonly slotless?: boolean;
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
  /** What keeps it shut for lower priorities only. */
  readonly floors: readonly string[];
}

/** Decides what may go on to Temporal, and when. Nobody else knows p-queue. */
export interface Admission {
  acquire(options: AcquireOptions): Promise<Permit>;
  /** In records. At least 1. */
  setLimit(limit: number): void;
  /** Shuts the gate for a reason, until the same reason is lifted. */
  hold(reason: string): void;
  lift(reason: string): void;
  /** Lets only this priority pass, and higher ones, for a reason, until the same reason is lowered. */
  raiseFloor(reason: string, priority: Priority): void;
  lowerFloor(reason: string): void;
  state(): AdmissionState;
}

interface Waiting {
  readonly priority: Priority;
  readonly weight: number;
}

/** Where slots are lent. */
export interface SlotLending {
  readonly gate: SlotGate;
  /** Which caps it counts against; undefined where it needs no slot. */
  classesOf(options: AcquireOptions): readonly string[] | undefined;
  /** A permit that went without a slot is back. */
  settled?(weight: number): void;
}

/**
 * p-queue orders what waits; it knows no weights, so this counts the weight in flight and opens and shuts its gate. One
 * task at a time passes the gate, and it only counts: the work itself runs outside of the queue.
 *
 * Where slots are lent, what needs one waits for it first, and comes to the queue when there is room there.
 */
export class QueueAdmission implements Admission {
  readonly #queue = new PQueue({ concurrency: 1, autoStart: true });
  readonly #holds = new Set<string>();
  /** What p-queue holds, in the order of its coming: the gate must know what the next one weighs. */
  readonly #waiting = new Set<Waiting>();
  readonly #lending: SlotLending | undefined;
  readonly #floor: PriorityFloor;
  #limit: number;
  #inFlight = 0;

  /** @param onDeferred something waits since its priority may not pass; called once for each acquire, with the reason */
  constructor(limit: number, lending?: SlotLending, onDeferred?: (reason: string) => void) {
    this.#limit = checked(limit);
    this.#lending = lending;
    this.#floor = new PriorityFloor(onDeferred);
    const heldNow = () => this.#holds.size > 0;
    lending?.gate.open({
      room: (weight) => this.#hasRoom(weight),
      passes: (priority) => this.#floor.passes(priority),
      get held() {
        return heldNow();
      },
    });
  }

  async acquire(options: AcquireOptions): Promise<Permit> {
    options.signal.throwIfAborted();
    const admitted = this.#floor.waits(options.priority);
    try {
      return await this.#admit(options);
    } finally {
      admitted();
    }
  }

  #admit(options: AcquireOptions): Promise<Permit> {
    const { signal } = options;
    const classes = this.#lending?.classesOf(options);
    if (this.#lending === undefined || classes === undefined) return this.#enqueue(options, undefined);
    const { gate } = this.#lending;
    return new Promise((resolve, reject) => {
      const leave = () => {
        end();
        reject(signal.reason as Error);
      };
      let passed = false;
      const end = gate.wait({ ...options, classes }, (slots) => {
        passed = true;
        signal.removeEventListener('abort', leave);
        resolve(
          this.#enqueue(options, slots).catch((error: unknown) => {
            this.#comeBack(options.weight, slots, 'returned');
            throw error;
          }),
        );
      });
      if (!passed) signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** @param slots undefined where none are lent */
  async #enqueue(options: AcquireOptions, slots: readonly string[] | undefined): Promise<Permit> {
    const { weight, signal } = options;
    const waiting: Waiting = { priority: options.priority, weight };
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
        return this.#permit(options, slots);
      },
      { priority: queuePriorityOf(waiting.priority), signal },
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

  raiseFloor(reason: string, priority: Priority): void {
    this.#floor.raise(reason, priority);
    this.#turnGate();
  }

  lowerFloor(reason: string): void {
    this.#floor.lower(reason);
    this.#turnGate();
  }

  state(): AdmissionState {
    return {
      limit: this.#limit,
      inFlight: this.#inFlight,
      waiting: this.#waiting.size + (this.#lending?.gate.waiting ?? 0),
      holds: [...this.#holds],
      floors: this.#floor.reasons,
    };
  }

  #permit({ weight, route }: AcquireOptions, slots: readonly string[] | undefined): Permit {
    let given = true;
    return {
      weight,
      route,
      slots: slots ?? [],
      release: (why, used = slots) => {
        if (!given) return;
        given = false;
        this.#inFlight -= weight;
        if (slots !== undefined) this.#comeBack(weight, slots, why, used);
        this.#turnGate();
      },
    };
  }

  /** Slots that nobody uses may be given out again. */
  #comeBack(
    weight: number,
    slots: readonly string[],
    why: ReleaseReason,
    used: readonly string[] = [],
  ): void {
    if (slots.length === 0) return this.#lending?.settled?.(weight);
    this.#lending?.gate.giveBack(why === 'inWork' ? slots.filter((slot) => !used.includes(slot)) : slots);
  }

  /** With what has passed the slots' gate and waits here. */
  #hasRoom(weight: number): boolean {
    let taken = this.#inFlight;
    // What may not pass takes no room from what may.
    for (const one of this.#waiting) if (this.#floor.passes(one.priority)) taken += one.weight;
    return taken === 0 || taken + weight <= this.#limit;
  }

  /** While there is room for the next one. A permit heavier than the limit passes alone, or it never would. */
  get #open(): boolean {
    const next = this.#next;
    if (this.#holds.size > 0 || (next && !this.#floor.passes(next.priority))) return false;
    return this.#inFlight === 0 || this.#inFlight + (next?.weight ?? 1) <= this.#limit;
  }

  get #next(): Waiting | undefined {
    let next: Waiting | undefined;
    for (const one of this.#waiting) {
      if (next === undefined || rankOf(one.priority) < rankOf(next.priority)) next = one;
    }
    return next;
  }

  #turnGate(): void {
    const open = this.#open;
    if (open && this.#queue.isPaused) this.#queue.start();
    else if (!open && !this.#queue.isPaused) this.#queue.pause();
    this.#lending?.gate.turn();
  }
}

function checked(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new RangeError(`Expected \`limit\` to be a whole number of at least 1, got ${limit}`);
  }
  return limit;
}
