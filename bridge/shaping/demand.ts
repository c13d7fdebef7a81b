import type { DemandOptions } from '../config/types.js';

/**
 * How many records a route asks the lanes for, as in reactive streams: step after step until it holds as many as its
 * buffer takes, and again when it holds fewer than `resumeBelow`. All lanes serve the same demand. Pure, but for those
 * who wait.
 */
export class Demand {
  readonly #options: Required<DemandOptions>;
  readonly #waiting = new Set<() => void>();
  #held = 0;
  /** Asked for, and not come yet. */
  #open = 0;
  #isFilling = true;

  constructor(options: Required<DemandOptions>) {
    this.#options = options;
    this.#ask();
  }

  /** Records that the route holds. */
  get held(): number {
    return this.#held;
  }

  /** Records that it has asked for, and that have not come yet. */
  get open(): number {
    return this.#open;
  }

  /**
   * A record comes. `false`: none was asked for, so it waits where it is.
   * @param isHigh it need not be asked for, where there is room: it must not wait until what is low has gone
   */
  take(isHigh = false): boolean {
    if (this.#open === 0 && !(isHigh && this.#hasRoom)) return false;
    if (this.#open > 0) this.#open--;
    this.#held++;
    this.#ask();
    return true;
  }

  /** One that it held has gone on. */
  left(): void {
    this.#held--;
    this.#ask();
  }

  /** One that had gone on is back: it is held, asked for or not. */
  back(): void {
    this.#held++;
    this.#open = Math.max(0, Math.min(this.#open, this.#options.buffer - this.#held));
    this.#ask();
  }

  /** Resolves when one may be taken, or it is worth a try; at once, and forever, after the signal. */
  asked(signal: AbortSignal, isHigh = false): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#open > 0 || (isHigh && this.#hasRoom)) return resolve();
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.#waiting.add(wake);
    });
  }

  get #hasRoom(): boolean {
    return this.#held < this.#options.buffer;
  }

  #ask(): void {
    const { buffer, step, resumeBelow } = this.#options;
    if (this.#held >= buffer) this.#isFilling = false;
    else if (this.#held < resumeBelow) this.#isFilling = true;
    if (this.#open === 0 && this.#isFilling) this.#open = Math.min(step, buffer - this.#held);
    if (this.#open > 0 || this.#hasRoom) for (const wake of this.#waiting) wake();
  }
}
