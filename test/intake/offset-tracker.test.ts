import test from 'ava';
import fc from 'fast-check';
import { OffsetTracker } from '../../bridge/intake/offset-tracker.js';
import { offsetTrackerContract } from './offset-tracker-contract.js';
import { playTracker, trackerSteps, type Tracker } from './offset-tracker-model.js';

offsetTrackerContract(test, (epoch) => new OffsetTracker(epoch));

/** Commits behind the highest that succeeded, as a naive consumer does. */
class Highest extends OffsetTracker {
  override get committable(): bigint | undefined {
    return this.highestSucceeded === undefined ? super.committable : this.highestSucceeded + 1n;
  }
  override get dirty(): boolean {
    return this.committable! > this.committed!;
  }
}

/** Counts as done what is only accepted, whatever the delivery asked for. */
class Hasty extends OffsetTracker {
  override fetched(offset: bigint, timestampMs: number): boolean {
    return super.fetched(offset, timestampMs, 'accepted');
  }
}

/** Markers are passed, and with them whatever was not done before them. */
class Jumping extends OffsetTracker {
  override skipTo(position: bigint): void {
    for (
      let offset = this.oldestIncomplete;
      offset !== undefined && offset < position;
      offset = this.oldestIncomplete
    )
      this.settled(offset);
    super.skipTo(position);
  }
}

/** Takes a redelivered record anew. */
class Forgetful extends OffsetTracker {
  override fetched(offset: bigint, timestampMs: number, commitOn: 'accepted' | 'settled'): boolean {
    if (this.next !== undefined && offset < this.next) this.placed(this.committed, offset);
    return super.fetched(offset, timestampMs, commitOn);
  }
}

/** Stays at a gap: it waits for an offset that never comes. */
class Gapless extends OffsetTracker {
  readonly #done = new Set<bigint>();
  #from = 0n;
  override placed(committed: bigint | undefined, next: bigint): void {
    this.#from = next;
    super.placed(committed, next);
  }
  override settled(offset: bigint): void {
    this.#done.add(offset);
    super.settled(offset);
  }
  override get committable(): bigint | undefined {
    while (this.#done.delete(this.#from)) this.#from++;
    return this.#from;
  }
}

const planted: Readonly<Record<string, () => Tracker>> = {
  'behind the highest that succeeded': () => new Highest(1),
  "'accepted' is enough for everybody": () => new Hasty(1),
  'markers take with them what was not done': () => new Jumping(1),
  'a redelivered record is taken anew': () => new Forgetful(1),
  'a gap is waited for': () => new Gapless(1),
};

for (const [bug, create] of Object.entries(planted)) {
  test(`the property finds a planted bug: ${bug}`, (t) => {
    const result = fc.check(
      fc.property(trackerSteps, (steps) => playTracker(create(), steps)),
      { numRuns: 2000 },
    );
    t.true(result.failed);
  });
}
