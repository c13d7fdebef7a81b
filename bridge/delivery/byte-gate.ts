import { Interrupted } from './persistent-calls.js';

/** Bounds the bytes of what runs at the same time. One that is larger than the bound runs alone, or it never would. */
export class ByteGate {
  readonly #limit: number;
  #held = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  get held(): number {
    return this.#held;
  }

  /** @throws Interrupted if the signal fires before there is room */
  async holding<T>(bytes: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    while (this.#held > 0 && this.#held + bytes > this.#limit) await this.#turn(signal);
    if (signal.aborted) throw new Interrupted('The record was given back');
    this.#held += bytes;
    try {
      return await work();
    } finally {
      this.#held -= bytes;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new Interrupted('The record was given back');
    await new Promise<void>((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.push(done);
    });
  }
}
