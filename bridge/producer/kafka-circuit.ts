import {
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
  isBrokenCircuitError,
} from 'cockatiel';
import type { ProducerCircuitOptions } from '../config/producer-types.js';

/** cockatiel may think a moment later than our timer that it is time for a try. */
const SLACK_MS = 5;

class KafkaIsAway extends Error {}

/**
 * Around what is asked of Kafka. Open, it is shut for a while: nothing is sent, and nothing new is taken into memory.
 * Then one request at a time tries whether Kafka is back.
 */
export class KafkaCircuit {
  readonly #policy;
  readonly #halfOpenAfterMs: number;
  readonly #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #shut = false;
  #trying = false;

  constructor(options: Required<ProducerCircuitOptions>) {
    this.#halfOpenAfterMs = options.halfOpenAfterMs;
    this.#policy = circuitBreaker(
      handleWhen((error) => error instanceof KafkaIsAway),
      { halfOpenAfter: options.halfOpenAfterMs, breaker: new ConsecutiveBreaker(options.failures) },
    );
    this.#policy.onStateChange((state) => this.#changed(state === CircuitState.Open));
  }

  get state(): 'closed' | 'half-open' | 'open' {
    if (this.#policy.state === CircuitState.Closed) return 'closed';
    return this.#shut ? 'open' : 'half-open';
  }

  /** Nothing may pass. */
  get shut(): boolean {
    return this.#shut;
  }

  /** How many requests may go out now. */
  get passes(): number {
    if (this.#shut) return 0;
    if (this.#policy.state === CircuitState.Closed) return Infinity;
    return this.#trying ? 0 : 1;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** @param fn says whether Kafka is away. @returns whether it was called at all */
  async attempt(fn: () => Promise<boolean>): Promise<boolean> {
    const isTry = this.#policy.state !== CircuitState.Closed;
    if (isTry) this.#trying = true;
    try {
      await this.#policy.execute(async () => {
        if (await fn()) throw new KafkaIsAway('Kafka is away');
      });
      return true;
    } catch (error) {
      if (isBrokenCircuitError(error)) return false;
      if (error instanceof KafkaIsAway) return true;
      throw error;
    } finally {
      if (isTry) this.#trying = false;
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #changed(open: boolean): void {
    clearTimeout(this.#timer);
    this.#shut = open;
    if (open) {
      this.#timer = setTimeout(() => {
        this.#shut = false;
        this.#tell();
      }, this.#halfOpenAfterMs + SLACK_MS);
      this.#timer.unref();
    }
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
