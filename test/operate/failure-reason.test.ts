import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  RetryState,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import test from 'ava';
import { groupOfReason, reasonOfFailure } from '../../bridge/operate/failure-reason.js';

const activity = (cause: Error | undefined, message = 'Activity task failed') =>
  new ActivityFailure(message, 'book', '1', RetryState.NON_RETRYABLE_FAILURE, undefined, cause);
const child = (cause: Error) =>
  new ChildWorkflowFailure(
    undefined,
    { workflowId: 'c', runId: 'r' },
    'ship',
    RetryState.NON_RETRYABLE_FAILURE,
    cause,
  );

test("the reason is the handler's own, without what is wrapped around it", (t) => {
  const own = ApplicationFailure.nonRetryable('the card was refused', 'CardRefused');
  t.deepEqual(reasonOfFailure(child(activity(own))), {
    message: 'the card was refused',
    type: 'CardRefused',
    resetEvent: undefined,
  });
});

test('the event to reset to is read, and is no part of the reason', (t) => {
  const own = ApplicationFailure.nonRetryable('no such order (replay: Reset to event 17)', 'NoOrder');
  t.deepEqual(reasonOfFailure(own), { message: 'no such order', type: 'NoOrder', resetEvent: 17 });
});

test("the outermost event counts: a child's is an event of the child's history", (t) => {
  const inner = activity(ApplicationFailure.create({ message: 'late' }), 'failed (replay: Reset to event 5)');
  const outer = child(inner);
  outer.message += ' (replay: Reset to event 9)';
  t.is(reasonOfFailure(outer).resetEvent, 9);
  t.is(reasonOfFailure(outer).message, 'late');
});

test("what the handler's error was caused by is not looked into", (t) => {
  const cause = new Error('ECONNREFUSED');
  const own = ApplicationFailure.create({ message: 'the bank is away', type: 'BankAway', cause });
  t.is(reasonOfFailure(activity(own)).message, 'the bank is away');
});

test('a time-out and a termination have the words that Temporal has for them', (t) => {
  const timeout = new TimeoutFailure('Activity timed out', undefined, TimeoutType.START_TO_CLOSE);
  t.like(reasonOfFailure(activity(timeout)), { message: 'Activity timed out', type: 'TimeoutFailure' });
  t.like(reasonOfFailure(new TerminatedFailure('by ann')), { message: 'by ann', type: 'TerminatedFailure' });
});

test('without words the name stands in', (t) => {
  t.is(reasonOfFailure(new TypeError()).message, 'TypeError');
  t.is(reasonOfFailure(ApplicationFailure.create({ message: '' })).message, 'ApplicationFailure');
  t.is(reasonOfFailure(activity(undefined, '(replay: Reset to event 4)')).message, 'ActivityFailure');
});

test('the same reason of different records is one group', (t) => {
  const of = (message: string) => groupOfReason({ message, type: 'Refused' });
  t.is(of('order 17 is unknown'), of('order 4711 is unknown'));
  t.is(
    of('order a81c9ac6-2b3f-4c1f-9d0e-31f2c6d1f000 is late'),
    of('order 00000000-2b3f-4c1f-9d0e-31f2c6d1f000 is late'),
  );
  t.is(of('no field "name" in `a`'), of('no field "colour" in `b`'));
  t.is(of('key ab12cd failed'), of('key ef34gh failed'));
  t.not(of('order 17 is unknown'), of('order 17 is late'));
  t.not(groupOfReason({ message: 'x', type: 'A' }), groupOfReason({ message: 'x', type: 'B' }));
});

test('a group keeps the words that are the same for all', (t) => {
  t.is(
    groupOfReason({ message: "the bank's answer was 503", type: 'Error' }),
    "Error: the bank's answer was …",
  );
});
