import { BridgeError, messageOf } from '../errors.js';

interface OutageOptions {
  readonly patienceMs?: number;
  readonly onAway?: (why: string | undefined) => void;
}

const PATIENCE_MS = 30_000;

/** How long Kafka is away by now, and who is told. */
export class LogOutage {
  readonly #topic: string;
  readonly #options: OutageOptions;
  #since: number | undefined;

  constructor(topic: string, options: OutageOptions) {
    this.#topic = topic;
    this.#options = options;
  }

  /** @throws BridgeError `KTB_KAFKA` where that is too long */
  goesOn(error: unknown): void {
    const { onAway, patienceMs = PATIENCE_MS } = this.#options;
    if (this.#since === undefined) onAway?.(messageOf(error));
    this.#since ??= performance.now();
    if (performance.now() - this.#since < patienceMs) return;
    throw new BridgeError('KTB_KAFKA', `${this.#topic} can't be read: ${messageOf(error)}`, {
      cause: error,
      retryable: true,
    });
  }

  over(): void {
    if (this.#since === undefined) return;
    this.#since = undefined;
    this.#options.onAway?.(undefined);
  }
}
