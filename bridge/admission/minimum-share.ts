export interface MinimumShareOptions {
  /** Records that all bridges together may always have with the workers. */
  readonly minimum: number;
  /** Tasks that wait for a worker, with what was started since somebody looked. */
  readonly backlog: () => number;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** Where nobody tells how long records are in work, each counts for so long at least. */
const IN_WORK_MS = 2_000;

/**
 * What a bridge may start while nobody lends it slots: its part of the minimum, counted against the tasks that wait and
 * against what it has just started. So with workers that take them it goes on slowly, and without any it starts its part
 * and then holds.
 */
export class MinimumShare {
  readonly #options: MinimumShareOptions;
  #bridges = 1;
  /** Given out, and neither started nor back. */
  #underWay = 0;
  /** Started of late, in order. */
  readonly #recent: { readonly weight: number; readonly until: number }[] = [];

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
    const taken = this.#underWay + Math.max(this.#options.backlog(), this.#recentWeight());
    // One that is heavier than the part passes alone, or it never would.
    if (taken > 0 && taken + weight > this.part) return false;
    this.#underWay += weight;
    return true;
  }

  /** They were started, and count as tasks that wait, or they were not. */
  settled(weight: number): void {
    this.#underWay -= weight;
    this.#recent.push({ weight, until: this.#options.now() + IN_WORK_MS });
  }

  #recentWeight(): number {
    const now = this.#options.now();
    while (this.#recent.length > 0 && this.#recent[0]!.until <= now) this.#recent.shift();
    return this.#recent.reduce((sum, { weight }) => sum + weight, 0);
  }
}
