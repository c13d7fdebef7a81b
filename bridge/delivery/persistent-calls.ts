import { delay } from '../timing.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import type { TemporalCircuit } from './circuit.js';
import type { FaultJudge } from './fault-judge.js';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

export interface PersistentCallsOptions {
  readonly circuit: TemporalCircuit;
  readonly judge: FaultJudge;
  /** Asks Temporal something cheap: with no other traffic, it stands for the others that pass. */
  readonly probe: () => Promise<unknown>;
  readonly onFault?: (fault: TemporalFault, attempt: number) => void;
}

/** The wait was ended from outside: the record is still to be done. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Calls that outlast a systemic fault: backed off, behind the circuit, for as long as it takes. */
export class PersistentCalls {
  readonly #options: PersistentCallsOptions;

  constructor(options: PersistentCallsOptions) {
    this.#options = options;
  }

  /**
   * @throws TemporalFault the record's own: `rejected`, `oversized`, or `systemic` where this record alone kept failing
   * @throws Interrupted after `signal`
   */
  async run<T>(id: string, call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { circuit, judge } = this.#options;
    for (let attempt = 1; ;) {
      if (signal.aborted) throw this.#interrupted(id);
      try {
        const result = await circuit.call(call);
        judge.passed(id);
        return result;
      } catch (error) {
        if (circuit.isRefused(error)) {
          await circuit.passable(signal);
          continue;
        }
        if (error instanceof Interrupted) throw this.#interrupted(id);
        if (!(error instanceof TemporalFault)) throw error;
        this.#options.onFault?.(error, attempt);
        if (error.kind !== 'systemic') {
          judge.passed(id); // Temporal answered: it is there.
          throw error;
        }
        if (await this.#isAlone(id)) {
          judge.forget(id);
          throw error;
        }
        await delay(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)), signal);
        attempt++;
      }
    }
  }

  async #isAlone(id: string): Promise<boolean> {
    const { judge } = this.#options;
    if (judge.unwitnessed(id)) {
      await this.#options.probe().then(
        () => judge.passed('probe'),
        () => judge.failed('probe'),
      );
    }
    return judge.failed(id) === 'alone';
  }

  #interrupted(id: string): Interrupted {
    this.#options.judge.forget(id);
    return new Interrupted('The record was given back');
  }
}
