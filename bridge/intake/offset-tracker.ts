/**
 * The three positions of a partition: what was fetched, what Temporal holds, what is settled. Pure. Offsets have gaps
 * (compaction, transaction markers), so only received offsets are tracked; what was never received counts as done.
 */

interface Entry {
  readonly timestampMs: number;
  readonly commitOn: 'accepted' | 'settled';
  accepted: boolean;
}

export class OffsetTracker {
  /** Of the assignment that this state belongs to: a completion of an older one is ignored by its owner. */
  readonly epoch: number;
  /** Records not settled, by offset, in the order of the log. */
  readonly #incomplete = new Map<bigint, Entry>();
  #next: bigint | undefined;
  #committed: bigint | undefined;
  #highestSucceeded: bigint | undefined;
  #lastTimestampMs: number | undefined;

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  /** Where the partition stands at its assignment: what the group has committed, and where reading begins. */
  placed(committed: bigint | undefined, next: bigint): void {
    this.#committed = committed;
    this.#next = next;
  }

  /** The next offset to fetch; undefined until the partition has been placed. */
  get next(): bigint | undefined {
    return this.#next;
  }

  /** The timestamp of the record before `next`, epoch milliseconds. */
  get lastTimestampMs(): number | undefined {
    return this.#lastTimestampMs;
  }

  get committed(): bigint | undefined {
    return this.#committed;
  }

  get incomplete(): number {
    return this.#incomplete.size;
  }

  get highestSeen(): bigint | undefined {
    return this.#next === undefined ? undefined : this.#next - 1n;
  }

  get highestSucceeded(): bigint | undefined {
    return this.#highestSucceeded;
  }

  /** The oldest record that is not settled. */
  get oldestIncomplete(): bigint | undefined {
    return this.#incomplete.keys().next().value;
  }

  /** Its timestamp, epoch milliseconds. */
  get oldestIncompleteTimestampMs(): number | undefined {
    return this.#incomplete.values().next().value?.timestampMs;
  }

  /** A record came from the log. `false`: it is older than the position, so it was seen before. */
  fetched(offset: bigint, timestampMs: number, commitOn: 'accepted' | 'settled'): boolean {
    if (this.#next !== undefined && offset < this.#next) return false;
    this.#incomplete.set(offset, { timestampMs, commitOn, accepted: false });
    this.#next = offset + 1n;
    this.#lastTimestampMs = timestampMs;
    return true;
  }

  /** Temporal holds it. */
  accepted(offset: bigint): void {
    const entry = this.#incomplete.get(offset);
    if (entry) entry.accepted = true;
  }

  /** Nothing more is to be done for it. */
  settled(offset: bigint): void {
    if (!this.#incomplete.delete(offset)) return;
    if (this.#highestSucceeded === undefined || offset > this.#highestSucceeded)
      this.#highestSucceeded = offset;
  }

  /** The position that may be committed: every received record below it is accepted or settled, as its delivery asks. */
  get committable(): bigint | undefined {
    for (const [offset, entry] of this.#incomplete) {
      if (entry.commitOn === 'settled' || !entry.accepted) return offset;
    }
    return this.#next;
  }

  /** Whether a commit would move the group. */
  get dirty(): boolean {
    const position = this.committable;
    return position !== undefined && (this.#committed === undefined || position > this.#committed);
  }

  /** The broker has taken a commit of ours. */
  commitSucceeded(position: bigint): void {
    if (this.#committed === undefined || position > this.#committed) this.#committed = position;
  }

  /** Nothing below `position` is still to come: markers, gaps, or what retention took. */
  skipTo(position: bigint): void {
    if (this.#next === undefined || position > this.#next) this.#next = position;
  }
}
