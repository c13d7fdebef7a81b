import { connectionFault } from './connection-fault.js';
import { refusalOf } from './refusal.js';
import type { Service } from './service.js';

/** Says once, of many calls that fail alike, that a server which was there now refuses us. */
export class RefusalReporter {
  readonly #service: Service;
  readonly #say: (message: string) => void;
  #asking = false;
  #said: string | undefined;

  constructor(service: Service, say: (message: string) => void) {
    this.#service = service;
    this.#say = say;
  }

  async failed(error: unknown): Promise<void> {
    // Nothing is probed for a mere outage, and not for each of a hundred calls.
    if (this.#asking || connectionFault(error) === undefined) return;
    this.#asking = true;
    try {
      const refusal = await refusalOf(error, this.#service);
      if (refusal === undefined || refusal.message === this.#said) return;
      this.#said = refusal.message;
      this.#say(refusal.message);
    } finally {
      this.#asking = false;
    }
  }

  /** It takes us again: the next refusal is said anew. */
  passed(): void {
    this.#said = undefined;
  }
}
