import type { Priority, RequestBudget } from '../config/types.js';
import { Pace } from './pace.js';

/**
 * How many calls a second the bridge makes for records. High priority may use all of it, the others only what is left
 * without the reserve: a flood of theirs leaves it some.
 */
export class CallBudget {
  readonly #all: Pace;
  readonly #others: Pace;

  constructor({ perSecond, reserve }: Required<RequestBudget>) {
    this.#all = paceOf(perSecond);
    this.#others = paceOf(perSecond * (1 - reserve));
  }

  /** Resolves when a call may be made. @throws the signal's reason, after it */
  async spend(priority: Priority, signal: AbortSignal): Promise<void> {
    if (priority !== 'high') await this.#others.turn(priority, signal);
    await this.#all.turn(priority, signal);
  }
}

/** What a second allows, in one second; of less than one call a second, one at a time. */
function paceOf(perSecond: number): Pace {
  return new Pace(perSecond, Math.max(1, Math.floor(perSecond)));
}
