export interface MinimumShareOptions {
  /** Records that all bridges together may always have with the workers. */
  readonly minimum: number;
  /** Tasks that wait for a worker, with what was started since somebody looked. */
  readonly backlog: () => number;
}

/**
 * What a bridge may start while nobody lends it slots: its part of the minimum, counted against the tasks that wait. So
 * with workers that take them it goes on slowly, and without any it starts its part and then holds.
 */
export class MinimumShare {
  readonly #options: MinimumShareOptions;
  #bridges = 1;
  /** Given out, and neither started nor back. */
  #underWay = 0;

  constructor(options: MinimumShareOptions) {
    this.#options = options;
  }

  /** How many bridges there are, as far as was heard. */
  set bridges(count: number) {
    this.#bridges = Math.max(1, count);
  }

  get part(): number {
    return Math.max(1, Math.floor(this.#options.minimum / this.#bridges));
  }

  /** Whether so many records may go; each that may is to be `settled`. */
  take(weight: number): boolean {
    const taken = this.#options.backlog() + this.#underWay;
    // One that is heavier than the part passes alone, or it never would.
    if (taken > 0 && taken + weight > this.part) return false;
    this.#underWay += weight;
    return true;
  }

  /** They were started, and count as tasks that wait, or they were not. */
  settled(weight: number): void {
    this.#underWay -= weight;
  }
}
