import test from 'ava';
import {
  ApplicationFailure,
  CancelledFailure,
  CompleteAsyncError,
  type RetryPolicy,
} from '@temporalio/common';
import { retryWaitMs } from '../../bridge/worker-report/retry-wait.js';

const NOW = 1_000_000;
const attempt = (retryPolicy: RetryPolicy | undefined, number = 1, scheduleToCloseTimeoutMs = 0) => ({
  attempt: number,
  retryPolicy,
  scheduledTimestampMs: NOW,
  scheduleToCloseTimeoutMs,
});
const waits = (...[error, about]: [unknown, ReturnType<typeof attempt>]) => retryWaitMs(error, about, NOW);

test('the wait grows with the attempts, up to the longest', (t) => {
  const policy = { initialInterval: 1_000, backoffCoefficient: 3, maximumInterval: '20 s' as const };
  t.deepEqual(
    [1, 2, 3, 4, 5].map((number) => waits(new Error('no'), attempt(policy, number))),
    [1_000, 3_000, 9_000, 20_000, 20_000],
  );
});

test("what a policy does not say is Temporal's default", (t) => {
  t.is(waits(new Error('no'), attempt({})), 1_000);
  t.is(waits(new Error('no'), attempt({ initialInterval: 10 }, 20)), 1_000);
  t.is(waits(new Error('no'), attempt(undefined)), undefined, 'of no policy nothing is known');
});

test('a failure may say itself when it wants to be tried again', (t) => {
  const failure = ApplicationFailure.create({ message: 'later', nextRetryDelay: '1 minute' });
  t.is(waits(failure, attempt({ initialInterval: 10 })), 60_000);
});

test('what is not tried again does not wait', (t) => {
  t.is(waits(ApplicationFailure.nonRetryable('no'), attempt({})), undefined);
  t.is(waits(new CancelledFailure('CANCELLED'), attempt({})), undefined);
  t.is(waits(new CompleteAsyncError(), attempt({})), undefined);
  t.is(waits(new Error('no'), attempt({ maximumAttempts: 3 }, 3)), undefined);
  t.is(waits(new Error('no'), attempt({ maximumAttempts: 3 }, 2)), 2_000);
  t.is(waits(new TypeError('no'), attempt({ nonRetryableErrorTypes: ['TypeError'] })), undefined);
  const typed = ApplicationFailure.create({ message: 'no', type: 'Refused' });
  t.is(waits(typed, attempt({ nonRetryableErrorTypes: ['Refused'] })), undefined);
  t.is(waits(new Error('no'), attempt({}, 1, 900)), undefined, 'its time would be over');
});
