import { kafkaState } from '../intake/kafka-answers.js';
import type { Logger } from './logger.js';

/** `waiting`: Kafka or Temporal is away, or refuses us. `stopped` is the end. */
export type BridgePhase = 'starting' | 'waiting' | 'running' | 'draining' | 'stopped';

/** In which phase a bridge is and why, said once for each new reason and not at each attempt. */
export class Phase {
  readonly #logger: Logger;
  readonly #onRefused: (message: string) => void;
  #now: BridgePhase = 'starting';
  #since = Date.now();
  #reason: string | undefined;

  constructor(logger: Logger, onRefused: (message: string) => void) {
    this.#logger = logger;
    this.#onRefused = onRefused;
  }

  get now(): BridgePhase {
    return this.#now;
  }

  /** Since when it is in this phase, epoch milliseconds. */
  get since(): number {
    return this.#since;
  }

  /** Why it waits. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** @param refused it needs somebody; to be away may pass */
  waits(whom: string, where: string, why: string, refused = false): void {
    if (this.#ending) return;
    const state = kafkaState(why);
    const reason = refused ? why : `${whom} at ${where} ${state}: ${why}`;
    this.#turn('waiting');
    if (this.#reason === reason) return;
    this.#reason = reason;
    if (refused) this.refused(why);
    else this.#logger.warn({ reason: why }, `${whom} at ${where} ${state}; waiting for it`);
  }

  /** Says a refusal of one who is not waited for: what runs goes on. */
  refused(why: string): void {
    this.#onRefused(`${why}. Waiting until that is mended`);
  }

  runs(): void {
    this.#reason = undefined;
    if (!this.#ending) this.#turn('running');
  }

  ends(phase: 'draining' | 'stopped'): void {
    this.#turn(phase);
  }

  #turn(phase: BridgePhase): void {
    if (this.#now !== phase) this.#since = Date.now();
    this.#now = phase;
  }

  get #ending(): boolean {
    return this.#now === 'draining' || this.#now === 'stopped';
  }
}
