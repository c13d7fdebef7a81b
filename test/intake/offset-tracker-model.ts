import fc from 'fast-check';
import type { OffsetTracker } from '../../bridge/intake/offset-tracker.js';

/** What the property asks of a tracker: the real one, or one with a planted bug. */
export type Tracker = Pick<
  OffsetTracker,
  | 'placed'
  | 'fetched'
  | 'accepted'
  | 'settled'
  | 'skipTo'
  | 'commitSucceeded'
  | 'committable'
  | 'committed'
  | 'dirty'
  | 'next'
>;

type Step =
  | { readonly do: 'fetch'; readonly gap: number; readonly commitOn: 'accepted' | 'settled' }
  | { readonly do: 'refetch'; readonly back: number }
  | { readonly do: 'accept' | 'settle'; readonly which: number }
  | { readonly do: 'skip'; readonly by: number }
  | { readonly do: 'commit' };

const nat = fc.nat(30);

export const trackerSteps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('fetch' as const),
        gap: fc.oneof(fc.constant(0), fc.nat(4)),
        commitOn: fc.constantFrom('accepted' as const, 'settled' as const),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom('accept' as const, 'settle' as const), which: nat }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('refetch' as const), back: fc.integer({ min: 1, max: 9 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('skip' as const), by: fc.integer({ min: -5, max: 5 }) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('commit' as const) }) },
  ),
  { maxLength: 80 },
);

interface Known {
  readonly offset: bigint;
  readonly commitOn: 'accepted' | 'settled';
  accepted: boolean;
  settled: boolean;
}

const isDone = (one: Known): boolean => one.settled || (one.commitOn === 'accepted' && one.accepted);

/** Plays the steps on the tracker and on a list of all that was ever received. @throws where a promise is broken */
export function playTracker(tracker: Tracker, steps: readonly Step[], start = 100n): void {
  const log: Known[] = [];
  let next = start;
  let committed = start;
  let highest = start;
  tracker.placed(start, start);
  const look = (what: string): void => {
    const { committable } = tracker;
    if (committable === undefined) throw new Error(`${what}: nothing is committable`);
    const undone = log.find((one) => !isDone(one));
    if (undone && committable > undone.offset)
      throw new Error(`${what}: ${committable} passes ${undone.offset}, which is not done`);
    if (!undone && committable !== next)
      throw new Error(`${what}: all is done, and ${committable} is not the next, ${next}`);
    if (
      undone &&
      committable < undone.offset &&
      log.every((one) => one.offset !== committable || isDone(one))
    )
      throw new Error(
        `${what}: ${committable} stands at nothing, and ${undone.offset} is the first that is not done`,
      );
    if (committable < highest) throw new Error(`${what}: ${committable} goes back from ${highest}`);
    highest = committable;
    if (tracker.next !== next) throw new Error(`${what}: ${tracker.next} is next, and should be ${next}`);
    if (tracker.committed !== committed)
      throw new Error(`${what}: ${tracker.committed} is committed, and should be ${committed}`);
    if (tracker.dirty !== committable > committed) throw new Error(`${what}: dirty is ${tracker.dirty}`);
  };
  for (const step of steps) {
    switch (step.do) {
      case 'fetch': {
        const offset = next + BigInt(step.gap);
        if (!tracker.fetched(offset, Number(offset), step.commitOn)) throw new Error(`${offset} was not new`);
        log.push({ offset, commitOn: step.commitOn, accepted: false, settled: false });
        next = offset + 1n;
        break;
      }
      case 'refetch': {
        const seen = log.at(-step.back);
        if (seen && tracker.fetched(seen.offset, 0, 'settled'))
          throw new Error(`${seen.offset} was taken again`);
        break;
      }
      case 'accept':
      case 'settle': {
        const one = log.length === 0 ? undefined : log[log.length - 1 - (step.which % log.length)];
        if (!one) break;
        // Settled only after accepted, as every delivery does.
        tracker.accepted(one.offset);
        one.accepted = true;
        if (step.do === 'settle') {
          tracker.settled(one.offset);
          one.settled = true;
        }
        break;
      }
      case 'skip': {
        const position = next + BigInt(step.by);
        tracker.skipTo(position);
        if (position > next) next = position;
        break;
      }
      case 'commit': {
        const position = tracker.committable!;
        tracker.commitSucceeded(position);
        if (position > committed) committed = position;
        break;
      }
    }
    look(step.do);
  }
  for (const one of log) {
    tracker.accepted(one.offset);
    tracker.settled(one.offset);
    one.settled = true;
  }
  look('at the end');
  if (tracker.committable !== next)
    throw new Error(`at the end ${tracker.committable} is not the next, ${next}`);
}
