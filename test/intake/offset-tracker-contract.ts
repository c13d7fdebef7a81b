import type { TestFn } from 'ava';
import fc from 'fast-check';
import type { TrackerPort } from '../helpers/doubles/list-tracker.js';
import { playTracker, trackerSteps } from './offset-tracker-model.js';

/** What every offset tracker promises. */
export function offsetTrackerContract(test: TestFn, create: (epoch: number) => TrackerPort): void {
  const placed = (at = 100n): TrackerPort => {
    const tracker = create(1);
    tracker.placed(at, at);
    return tracker;
  };

  test('before it has been placed nothing is known and nothing may be committed', (t) => {
    const tracker = create(3);
    t.is(tracker.epoch, 3);
    t.is(tracker.next, undefined);
    t.is(tracker.committable, undefined);
    t.is(tracker.highestSeen, undefined);
    t.false(tracker.dirty);
  });

  test('a new group commits where it begins, one that has committed does not', (t) => {
    const fresh = create(1);
    fresh.placed(undefined, 5n);
    t.true(fresh.dirty);
    t.is(fresh.committable, 5n);
    fresh.commitSucceeded(5n);
    t.false(fresh.dirty);
    t.false(placed().dirty);
  });

  test('after a lost range the place that was gone on from may be committed', (t) => {
    const tracker = create(1);
    tracker.placed(10n, 50n);
    t.is(tracker.committable, 50n);
    t.true(tracker.dirty);
  });

  test('what is done out of order waits for what is before it', (t) => {
    const tracker = placed();
    for (const offset of [100n, 101n, 102n]) tracker.fetched(offset, 0, 'accepted');
    tracker.accepted(102n);
    tracker.accepted(101n);
    t.is(tracker.committable, 100n);
    tracker.accepted(100n);
    t.is(tracker.committable, 103n);
  });

  test("'accepted' is enough where the delivery says so, and 'settled' is asked for where it says so", (t) => {
    const tracker = placed();
    tracker.fetched(100n, 0, 'accepted');
    tracker.fetched(101n, 0, 'settled');
    tracker.accepted(100n);
    tracker.accepted(101n);
    t.is(tracker.committable, 101n);
    tracker.settled(101n);
    t.is(tracker.committable, 102n);
  });

  test('offsets that never come count as done', (t) => {
    const tracker = placed();
    tracker.fetched(105n, 0, 'accepted');
    tracker.fetched(120n, 0, 'accepted');
    t.is(tracker.committable, 105n);
    tracker.accepted(105n);
    t.is(tracker.committable, 120n);
    tracker.accepted(120n);
    t.is(tracker.committable, 121n);
  });

  test('markers behind the last record may be passed, but never a record before them', (t) => {
    const tracker = placed();
    tracker.fetched(100n, 0, 'settled');
    tracker.skipTo(110n);
    t.is(tracker.next, 110n);
    t.is(tracker.committable, 100n);
    tracker.settled(100n);
    t.is(tracker.committable, 110n);
    tracker.skipTo(90n);
    t.is(tracker.next, 110n);
  });

  test('a record that comes again is not new, and what was known of it stays', (t) => {
    const tracker = placed();
    t.true(tracker.fetched(100n, 5, 'accepted'));
    tracker.accepted(100n);
    t.false(tracker.fetched(100n, 6, 'settled'));
    t.false(tracker.fetched(99n, 6, 'settled'));
    t.is(tracker.committable, 101n);
    t.is(tracker.lastTimestampMs, 5);
    t.is(tracker.incomplete, 1);
  });

  test('completions of what is not known change nothing', (t) => {
    const tracker = placed();
    tracker.accepted(500n);
    tracker.settled(500n);
    t.is(tracker.committable, 100n);
    t.is(tracker.highestSucceeded, undefined);
  });

  test('a late commit of a lower position takes nothing back', (t) => {
    const tracker = placed();
    tracker.fetched(100n, 0, 'accepted');
    tracker.accepted(100n);
    tracker.commitSucceeded(101n);
    tracker.commitSucceeded(100n);
    t.is(tracker.committed, 101n);
    t.false(tracker.dirty);
  });

  test('the positions say what was seen, what succeeded and what is oldest', (t) => {
    const tracker = placed();
    for (const offset of [100n, 103n, 104n]) tracker.fetched(offset, Number(offset) * 10, 'settled');
    tracker.settled(103n);
    t.is(tracker.highestSeen, 104n);
    t.is(tracker.highestSucceeded, 103n);
    t.is(tracker.oldestIncomplete, 100n);
    t.is(tracker.oldestIncompleteTimestampMs, 1000);
    t.is(tracker.incomplete, 2);
  });

  test('over any interleaving the position never passes what is not done, never goes back, and arrives', (t) => {
    fc.assert(
      fc.property(trackerSteps, (steps) => playTracker(create(1), steps)),
      { numRuns: 2000 },
    );
    t.pass();
  });
}
