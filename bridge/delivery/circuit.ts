import {
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
  isBrokenCircuitError,
} from 'cockatiel';
import type { CircuitOptions } from '../config/types.js';
import type { CircuitName } from '../../workflows/capacity/contract.js';
import { TemporalFault } from '../temporal/temporal-port.js';

/** Around every start: a server that is down is probed by one call at a time, not hammered by all. */
export class TemporalCircuit {
  readonly #policy;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(open: boolean) => void>();

  constructor(options: Required<CircuitOptions>) {
    this.#policy = circuitBreaker(
      handleWhen((error) => error instanceof TemporalFault && error.kind === 'systemic'),
      { halfOpenAfter: options.halfOpenAfterMs, breaker: new ConsecutiveBreaker(options.failures) },
    );
    this.#policy.onStateChange((state) => {
      clearTimeout(this.#probeTimer);
      this.#tell(state === CircuitState.Open);
      if (state !== CircuitState.Open) return;
      // cockatiel half-opens on a call only. Where none waits (a rebalance took the records back) nothing would pass
      // the shut gate, and it would never open again: so it opens for a try.
      this.#probeTimer = setTimeout(() => this.#tell(false), options.halfOpenAfterMs);
      this.#probeTimer.unref();
    });
    this.#halfOpenAfterMs = options.halfOpenAfterMs;
  }

  readonly #halfOpenAfterMs: number;
  #probeTimer: NodeJS.Timeout | undefined;

  get open(): boolean {
    return this.#policy.state === CircuitState.Open;
  }

  get state(): CircuitName {
    switch (this.#policy.state) {
      case CircuitState.Open:
      case CircuitState.Isolated:
        return 'open';
      case CircuitState.HalfOpen:
        return 'half-open';
      case CircuitState.Closed:
        return 'closed';
    }
  }

  /** `false`: calls may be tried again, because it has closed, or to find out. */
  onChange(listener: (open: boolean) => void): void {
    this.#listeners.add(listener);
  }

  /** @throws whatever the call throws, or a broken circuit (see {@link isRefused}). */
  call<T>(fn: () => Promise<T>): Promise<T> {
    return this.#policy.execute(fn);
  }

  isRefused(error: unknown): boolean {
    return isBrokenCircuitError(error);
  }

  /** Until the circuit may let a call through. cockatiel half-opens on the next call, so one waiter at a time asks. */
  async passable(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, this.#halfOpenAfterMs / 4);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.add(done);
    });
  }

  #tell(open: boolean): void {
    for (const listener of this.#listeners) listener(open);
    if (!open) for (const wake of this.#waiting) wake();
  }
}
