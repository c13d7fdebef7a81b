import test from 'ava';
import { happenedBeforeReset } from '../../activities/failure-origin.js';

const scheduled = (eventId: number, activityId = '1') => ({ eventId, activityId });
const about = (eventId: number, scheduledEventId: number) => ({ eventId, scheduledEventId });
const reset = (eventId: number) => ({ eventId, reset: true });
const other = (eventId: number) => ({ eventId });

test('without a Reset every failure is of this run', (t) => {
  t.false(happenedBeforeReset([other(1), scheduled(5), about(6, 5), about(7, 5)], '1'));
});

test('a failure that the Reset brought along is history', (t) => {
  t.true(happenedBeforeReset([other(1), scheduled(5), about(6, 5), about(7, 5), other(8), reset(9)], '1'));
});

test('a failure after the Reset is of this run', (t) => {
  t.false(happenedBeforeReset([other(1), reset(4), scheduled(5), about(6, 5), about(7, 5)], '1'));
});

test('scheduled before the Reset and ended after it, it is of this run', (t) => {
  t.false(happenedBeforeReset([other(1), scheduled(5), reset(9), about(10, 5), about(11, 5)], '1'));
});

test('the same activity ID, scheduled again after the Reset, is judged by its last scheduling', (t) => {
  const first = [other(1), scheduled(5), about(7, 5), reset(9)];
  t.true(happenedBeforeReset(first, '1'));
  t.false(happenedBeforeReset([...first, scheduled(10), about(11, 10), about(12, 10)], '1'));
  t.false(happenedBeforeReset([...first, scheduled(10)], '1'), 'it has not ended');
});

test('the last of several Resets counts', (t) => {
  t.true(happenedBeforeReset([reset(4), scheduled(5), about(7, 5), reset(9)], '1'));
});

test("another activity's failure says nothing of this one", (t) => {
  const events = [scheduled(5, '1'), about(7, 5), reset(9), scheduled(10, '2'), about(12, 10)];
  t.true(happenedBeforeReset(events, '1'));
  t.false(happenedBeforeReset(events, '2'));
});

test('an activity that the history does not know is not history', (t) => {
  t.false(happenedBeforeReset([], '1'));
  t.false(happenedBeforeReset([reset(9)], '7'));
});
