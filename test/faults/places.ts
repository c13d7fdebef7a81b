/** So many at a time; the others wait in the order of their coming. */
export class Places {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  /** @returns gives the place back; again, it does nothing */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let given = true;
    return () => {
      if (!given) return;
      given = false;
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
