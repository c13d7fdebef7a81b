/** Samples over the threshold, one after another, until it counts as passed. */
const ON_AFTER = 2;
/** Samples below {@link OFF_SHARE} of it until it no longer does. */
const OFF_AFTER = 3;
const OFF_SHARE = 0.9;

/** Whether a figure is over a threshold, with hysteresis: one that swings around it must not turn things on and off. Pure. */
export class Threshold {
  readonly #limit: number;
  #passed = false;
  /** Samples in a row that speak against what is so now. */
  #against = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get passed(): boolean {
    return this.#passed;
  }

  /** @param value `undefined`: it could not be measured, and nothing changes */
  sample(value: number | undefined): void {
    if (value === undefined || Number.isNaN(value)) return;
    const against = this.#passed ? value < this.#limit * OFF_SHARE : value > this.#limit;
    this.#against = against ? this.#against + 1 : 0;
    if (this.#against < (this.#passed ? OFF_AFTER : ON_AFTER)) return;
    this.#passed = !this.#passed;
    this.#against = 0;
  }
}
