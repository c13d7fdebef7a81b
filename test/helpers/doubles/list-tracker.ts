import type { OffsetTracker } from '../../../bridge/intake/offset-tracker.js';

/** What an offset tracker shows. */
export type TrackerPort = { [Member in keyof OffsetTracker]: OffsetTracker[Member] };

interface Received {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly commitOn: 'accepted' | 'settled';
  accepted: boolean;
  settled: boolean;
}

/** An offset tracker as one would write it down: a list of all that ever came, asked anew each time. */
export class ListTracker implements TrackerPort {
  readonly epoch: number;
  readonly #all: Received[] = [];
  next: bigint | undefined;
  committed: bigint | undefined;
  lastTimestampMs: number | undefined;

  constructor(epoch: number) {
    this.epoch = epoch;
  }

  placed(committed: bigint | undefined, next: bigint): void {
    this.committed = committed;
    this.next = next;
  }

  fetched(offset: bigint, timestampMs: number, commitOn: 'accepted' | 'settled'): boolean {
    if (this.next !== undefined && offset < this.next) return false;
    this.#all.push({ offset, timestampMs, commitOn, accepted: false, settled: false });
    this.next = offset + 1n;
    this.lastTimestampMs = timestampMs;
    return true;
  }

  accepted(offset: bigint): void {
    for (const one of this.#all) if (one.offset === offset) one.accepted = true;
  }

  settled(offset: bigint): void {
    for (const one of this.#all) if (one.offset === offset) one.settled = true;
  }

  commitSucceeded(position: bigint): void {
    if (this.committed === undefined || position > this.committed) this.committed = position;
  }

  skipTo(position: bigint): void {
    if (this.next === undefined || position > this.next) this.next = position;
  }

  get committable(): bigint | undefined {
    const undone = this.#all.find((one) => !one.settled && !(one.accepted && one.commitOn === 'accepted'));
    return undone?.offset ?? this.next;
  }

  get dirty(): boolean {
    const position = this.committable;
    return position !== undefined && (this.committed === undefined || position > this.committed);
  }

  get incomplete(): number {
    return this.#all.filter(({ settled }) => !settled).length;
  }

  get oldestIncomplete(): bigint | undefined {
    return this.#all.find(({ settled }) => !settled)?.offset;
  }

  get oldestIncompleteTimestampMs(): number | undefined {
    return this.#all.find(({ settled }) => !settled)?.timestampMs;
  }

  get highestSeen(): bigint | undefined {
    return this.next === undefined ? undefined : this.next - 1n;
  }

  get highestSucceeded(): bigint | undefined {
    return this.#all.findLast(({ settled }) => settled)?.offset;
  }
}
