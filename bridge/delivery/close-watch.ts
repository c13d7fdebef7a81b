import { TemporalFault, type TemporalPort } from '../temporal/temporal-port.js';
import { delay } from '../timing.js';

/** A namespace allows some 1,200 long polls in all; other bridges have theirs. */
const POLLS = 200;
/** The server ends a long poll after so long; a shorter one makes room where others wait for theirs. */
const LONG_POLL_MS = 20_000;
const SHORT_POLL_MS = 3_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/** Waits for executions to close: each by a long poll, so many at a time, in turn. */
export class CloseWatch {
  readonly #port: Pick<TemporalPort, 'awaitClosed'>;
  readonly #polls: number;
  readonly #waiting: (() => void)[] = [];
  #polling = 0;

  constructor(port: Pick<TemporalPort, 'awaitClosed'>, polls: number = POLLS) {
    this.#port = port;
    this.#polls = polls;
  }

  get polling(): number {
    return this.#polling;
  }

  /** `false`: the signal has fired first. Outlasts systemic faults. */
  async closed(workflowId: string, runId: string, signal: AbortSignal): Promise<boolean> {
    for (let faults = 0; !signal.aborted;) {
      try {
        if (await this.#poll(workflowId, runId, signal)) return true;
        faults = 0;
      } catch (error) {
        if (!(error instanceof TemporalFault)) throw error;
        // Not behind the circuit: a poll takes long, and would be the one call that tries whether Temporal is back.
        await delay(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** faults++), signal);
      }
    }
    return false;
  }

  async #poll(workflowId: string, runId: string, signal: AbortSignal): Promise<boolean> {
    while (this.#polling >= this.#polls) {
      await this.#turn(signal);
      if (signal.aborted) return false;
    }
    this.#polling++;
    try {
      const timeoutMs = this.#waiting.length > 0 ? SHORT_POLL_MS : LONG_POLL_MS;
      return await this.#port.awaitClosed(workflowId, runId, timeoutMs, signal);
    } finally {
      this.#polling--;
      this.#waiting.shift()?.();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        const index = this.#waiting.indexOf(done);
        if (index >= 0) this.#waiting.splice(index, 1);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.push(done);
    });
  }
}
