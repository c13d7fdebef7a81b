/** Calls of one topic, one after another where one of them takes its time. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();
  readonly #limit: number;
  #waiting = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether nothing of a topic waits. */
  free(topic: string): boolean {
    return this.#last.size === 0 || !this.#last.has(topic);
  }

  get full(): boolean {
    return this.#waiting >= this.#limit;
  }

  /** @param turn must not reject */
  take(topic: string, turn: () => Promise<void>): void {
    this.#waiting++;
    const own = (this.#last.get(topic) ?? Promise.resolve()).then(turn).finally(() => {
      this.#waiting--;
      if (this.#last.get(topic) === own) this.#last.delete(topic);
    });
    this.#last.set(topic, own);
  }

  /** Resolves when all that wait now have had their turn. */
  async done(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}
