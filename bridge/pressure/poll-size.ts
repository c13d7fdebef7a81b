const GROWTH = 10;

export interface PollSizeOptions {
  /** `maxPollRecords` */
  readonly maximum: number;
  /** `pressure.minimumPollRecords` */
  readonly minimum: number;
}

/** How many records are taken from a partition at a time: halved at each step under pressure, ten more at each calm one. Pure. */
export class PollSize {
  readonly #maximum: number;
  readonly #minimum: number;
  #size: number;

  constructor({ maximum, minimum }: PollSizeOptions) {
    this.#maximum = maximum;
    this.#minimum = Math.min(minimum, maximum); // a maximum that is smaller is what somebody wanted
    this.#size = maximum;
  }

  get size(): number {
    return this.#size;
  }

  step(underPressure: boolean): void {
    this.#size = underPressure
      ? Math.max(this.#minimum, Math.floor(this.#size / 2))
      : Math.min(this.#maximum, this.#size + GROWTH);
  }
}
