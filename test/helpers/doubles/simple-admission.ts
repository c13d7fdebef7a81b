import type {
  AcquireOptions,
  Admission,
  AdmissionState,
  Permit,
} from '../../../bridge/admission/admission.js';
import type { Priority } from '../../../bridge/config/types.js';

interface Waiter extends AcquireOptions {
  readonly admit: () => void;
}

const ORDER = { high: 0, medium: 1, low: 2 } as const;

/** Admission as one would write it down: after each change, whoever is first goes, if there is room. */
export class SimpleAdmission implements Admission {
  #limit: number;
  #inFlight = 0;
  readonly #holds = new Set<string>();
  readonly #floors = new Map<string, Priority>();
  #waiters: Waiter[] = [];

  constructor(limit: number) {
    this.#limit = checked(limit);
  }

  async acquire(options: AcquireOptions): Promise<Permit> {
    options.signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const { signal } = options;
      const leave = (): void => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        reject(signal.reason as Error);
        this.#look();
      };
      const waiter: Waiter = {
        ...options,
        admit: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal.addEventListener('abort', leave);
      this.#waiters.push(waiter);
      this.#look();
    });
    let given = true;
    const { weight, route } = options;
    return {
      weight,
      route,
      slots: [],
      release: () => {
        if (given) this.#inFlight -= weight;
        given = false;
        this.#look();
      },
    };
  }

  setLimit(limit: number): void {
    this.#limit = checked(limit);
    this.#look();
  }

  hold(reason: string): void {
    this.#holds.add(reason);
  }

  lift(reason: string): void {
    this.#holds.delete(reason);
    this.#look();
  }

  raiseFloor(reason: string, priority: Priority): void {
    this.#floors.set(reason, priority);
    this.#look(); // it may be lower than before
  }

  lowerFloor(reason: string): void {
    this.#floors.delete(reason);
    this.#look();
  }

  state(): AdmissionState {
    return {
      limit: this.#limit,
      inFlight: this.#inFlight,
      waiting: this.#waiters.length,
      holds: [...this.#holds],
      floors: [...this.#floors.keys()],
    };
  }

  #look(): void {
    for (;;) {
      const first = [...this.#waiters].sort((a, b) => ORDER[a.priority] - ORDER[b.priority])[0];
      if (!first || this.#holds.size > 0) return;
      if ([...this.#floors.values()].some((floor) => ORDER[first.priority] > ORDER[floor])) return;
      if (this.#inFlight > 0 && this.#inFlight + first.weight > this.#limit) return;
      this.#waiters = this.#waiters.filter((one) => one !== first);
      this.#inFlight += first.weight;
      first.admit();
    }
  }
}

function checked(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1)
    throw new RangeError(`Expected \`limit\` to be at least 1, got ${limit}`);
  return limit;
}
