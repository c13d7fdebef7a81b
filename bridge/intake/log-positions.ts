/** What a fetch has brought of a partition. */
export interface Fetched {
  readonly partition: number;
  /** Where it was asked from. */
  readonly from: bigint;
  /** Those that are handed on: a marker or an aborted transaction is not. */
  readonly messages: readonly { readonly offset: string }[];
  /** The last offset that came, handed on or not. Undefined: nothing came. */
  readonly last: bigint | undefined;
  /** Up to here everything is decided: neither open nor behind an open transaction. */
  readonly stableEnd: bigint;
}

/** A fetch never brings nothing of what is there, but for a batch that compaction has emptied: then it always does. */
const EMPTY_FETCHES = 5;

/** Where a reader stands, by partition. */
export class LogPositions {
  readonly #at: Map<number, bigint>;
  readonly #to: ReadonlyMap<number, bigint> | undefined;
  readonly #over = new Set<number>();
  readonly #empty = new Map<number, number>();

  constructor(from: ReadonlyMap<number, bigint>, to: ReadonlyMap<number, bigint> | undefined) {
    this.#at = new Map(from);
    this.#to = to;
    for (const partition of from.keys()) this.#judge(partition);
  }

  /** Partitions of which more is wanted. */
  get open(): readonly number[] {
    return [...this.#at.keys()].filter((partition) => !this.#over.has(partition));
  }

  get over(): boolean {
    return this.open.length === 0;
  }

  of(partition: number): bigint {
    return this.#at.get(partition)!;
  }

  /** Partitions that the topic has: of those that are new, everything is wanted. */
  discover(partitions: Iterable<number>): void {
    for (const partition of partitions) if (!this.#at.has(partition)) this.#at.set(partition, 0n);
  }

  /** The log has these offsets only. */
  clamp(partition: number, start: bigint, end: bigint): void {
    const at = this.#at.get(partition);
    if (at === undefined) return;
    this.#at.set(partition, at < start ? start : at > end ? end : at);
    this.#judge(partition);
  }

  /** Goes on behind what came. @returns what is to be handed on */
  take<T extends Fetched>(fetched: T): T['messages'] {
    const { partition, from, messages, last, stableEnd } = fetched;
    const at = this.of(partition);
    // Of a leader that was asked before the partition moved: another one has brought more since.
    if (from !== at && (last === undefined || last < at)) return [];
    const to = this.#to?.get(partition);
    const taken = messages.filter(
      ({ offset }) => BigInt(offset) >= at && (to === undefined || BigInt(offset) < to),
    );
    if (last !== undefined) {
      // Of a batch whose end the cleaner has removed only records before our place come, again and again.
      this.#at.set(partition, last >= at ? last + 1n : at + 1n);
      this.#empty.delete(partition);
    } else if (at < stableEnd) {
      const count = (this.#empty.get(partition) ?? 0) + 1;
      this.#empty.set(partition, count % EMPTY_FETCHES);
      if (count >= EMPTY_FETCHES) this.#at.set(partition, at + 1n);
    } else if (to !== undefined) {
      // What is left belongs to an open transaction: it is not there yet.
      this.#over.add(partition);
    }
    this.#judge(partition);
    return taken;
  }

  #judge(partition: number): void {
    if (this.#to === undefined) return;
    const to = this.#to.get(partition);
    if (to === undefined || this.of(partition) >= to) this.#over.add(partition);
  }
}
