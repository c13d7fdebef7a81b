import { CLOSED, disturbed, turned, type CircuitState } from './circuit.js';
import { LIMIT_DEFAULTS, type CapacityView, type CircuitName, type LimitOptions } from './contract.js';
import { fallen, limitOf, moved, observed, UNMOVED, type LimitSituation, type LimitState } from './limit.js';

/** Workers are gone when they have been gone for so long: a clock that jumps makes all of them silent for a moment. */
const GONE_MS = 5_000;
const CHANGES = 20;

export interface GovernorCarry {
  readonly options: LimitOptions;
  readonly limit: LimitState;
  readonly circuit: CircuitState;
  readonly goneSince: number | null;
  readonly changes: CapacityView['changes'];
}

export const UNGOVERNED: GovernorCarry = {
  options: LIMIT_DEFAULTS,
  limit: UNMOVED,
  circuit: CLOSED,
  goneSince: null,
  changes: [],
};

export interface Situation extends LimitSituation {
  /** Of ours or not, see {@link turned}. */
  readonly inWork: number;
  /** New responses. */
  readonly responses: number;
  /** In flight is over the limit by an operator's decision, or by what we have only learnt of. */
  readonly excused: boolean;
}

/** Time as we count it, which does not go back, and as the server tells it. */
export interface Moment {
  readonly now: number;
  readonly raw: number;
}

/** What is known of the workers, and what an operator has decided. */
export interface Standing {
  readonly alive: number;
  /** Whether any was ever seen. */
  readonly seen: boolean;
  readonly decided: number | undefined;
}

/** The limit that holds, of the one that moves, the circuit's, an operator's, and that without workers. */
export class Governor {
  #is: GovernorCarry;

  constructor(carry: GovernorCarry) {
    this.#is = carry;
  }

  get options(): LimitOptions {
    return this.#is.options;
  }

  set options(options: LimitOptions) {
    this.#is = { ...this.#is, options };
  }

  get circuit(): CircuitName {
    return this.#is.circuit.name;
  }

  get changes(): CapacityView['changes'] {
    return this.#is.changes;
  }

  limit({ alive, decided }: Standing, hasWorkers = alive > 0): number {
    const { options, limit } = this.#is;
    const value = decided ?? limitOf(limit, options);
    // Half-open, a limit that does not move by itself must not be back at once.
    const still = decided !== undefined || options.limit === 'fixed';
    const low = this.circuit === 'open' || (this.circuit === 'half-open' && still) || !hasWorkers;
    return low ? Math.min(value, options.minimum) : value;
  }

  /** The limit and the circuit, by what has just been told. */
  turn(situation: Situation, standing: Standing, at: Moment): void {
    this.#is = { ...this.#is, limit: observed(this.#is.limit, situation.responses) };
    const cut = this.circuit !== 'open' && this.#move(situation, standing, at);
    const gone = this.#gone(standing, at.now);
    // Without a worker the limit is the minimum at once; only where that lasts it is a fault.
    const limit = this.limit(standing, !gone);
    const excused = situation.excused || cut;
    const { inWork, responses } = situation;
    const before = this.circuit;
    const circuit = turned(this.#is.circuit, { inFlight: inWork, limit, gone, excused, responses }, at.now);
    this.#is = { ...this.#is, circuit };
    if (circuit.name !== 'open' || before === 'open') return;
    this.#is = { ...this.#is, limit: fallen(this.#is.limit, this.options, at.now) };
    this.note(`the circuit opens: ${inWork} in work at a limit of ${limit}`, standing, at);
  }

  note(why: string, standing: Standing, at: Moment): void {
    const change = { at: at.raw, limit: this.limit(standing), why };
    this.#is = { ...this.#is, changes: [...this.changes, change].slice(-CHANGES) };
  }

  carry(): GovernorCarry {
    return this.#is;
  }

  /** @returns whether it was cut */
  #move(situation: Situation, standing: Standing, at: Moment): boolean {
    const before = limitOf(this.#is.limit, this.options);
    const { state, why } = moved(this.#is.limit, situation, this.options, at.now);
    const cut = limitOf(state, this.options) < before;
    const circuit = cut ? disturbed(this.#is.circuit, at.now) : this.#is.circuit;
    this.#is = { ...this.#is, limit: state, circuit };
    if (why !== undefined) this.note(why, standing, at);
    return cut;
  }

  #gone({ alive, seen }: Standing, now: number): boolean {
    const goneSince = alive > 0 || !seen ? null : (this.#is.goneSince ?? now);
    this.#is = { ...this.#is, goneSince };
    return goneSince !== null && now - goneSince >= GONE_MS;
  }
}
