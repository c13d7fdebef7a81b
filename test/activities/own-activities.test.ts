import test from 'ava';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createOwnActivities, type Dispatch, type Publisher } from '../../activities/index.js';
import {
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  type QuarantineInput,
} from '../../workflows/contract.js';
import { SILENT } from '../helpers/doubles/silent-logger.js';

const INPUT: QuarantineInput = {
  subscription: 'orders',
  topic: 'orders',
  partition: 3,
  offset: '42',
  timestamp: 1,
  reason: 'undecodable',
  message: 'it was not JSON',
  route: null,
  preview: '{',
  valueBytes: 1,
  valueSha256: 'x',
  raw: { key: null, value: 'ew==', headers: {} },
};

const notAsked = () => Promise.reject(new Error('not asked'));
const publisher: Publisher = { publish: notAsked, publishAll: notAsked };

function dispatchBy(dispatch: Dispatch, input = INPUT): Promise<unknown> {
  const activities = createOwnActivities({
    dispatch,
    deliver: notAsked,
    publisher,
    history: async () => [],
  });
  return new MockActivityEnvironment({}, { logger: SILENT }).run(activities[DISPATCH_RECORD_ACTIVITY], input);
}

test('a record that goes through is the result', async (t) => {
  const result = { outcome: 'started', workflowId: 'k', runId: 'r' };
  t.deepEqual(await dispatchBy(async () => result), result);
});

test("what is refused fails for good, with the reason as the failure's type", async (t) => {
  const failure = await t.throwsAsync<ApplicationFailure>(
    dispatchBy(async () => ({ refused: 'still not JSON', reason: 'undecodable' })),
    { instanceOf: ApplicationFailure },
  );
  t.like(failure, { message: 'still not JSON', type: 'Ktb.undecodable', nonRetryable: true });
});

test('what is systemic passes on, and Temporal tries again', async (t) => {
  const away = new Error('Temporal is away');
  t.is(await t.throwsAsync(dispatchBy(() => Promise.reject(away))), away);
});

test('where only the place was kept it fails at once, and says where and until when', async (t) => {
  let asked = false;
  const dispatch: Dispatch = async () => {
    asked = true;
    return { outcome: 'started', workflowId: null, runId: null };
  };
  const input: QuarantineInput = {
    ...INPUT,
    raw: null,
    reason: 'oversized',
    message: 'too large',
    keptUntil: '2030-01-01T00:00:00Z',
  };
  const failure = await t.throwsAsync<ApplicationFailure>(dispatchBy(dispatch, input), {
    instanceOf: ApplicationFailure,
  });
  t.false(asked);
  t.like(failure, { type: 'Ktb.oversized', nonRetryable: true });
  t.regex(failure!.message, /too large .*orders\/3\/42.*2030-01-01/);
  const { keptUntil: _, ...unknown } = input;
  const second = await t.throwsAsync(dispatchBy(dispatch, unknown));
  t.notRegex(second!.message, /until|undefined/);
});

test('where a failure happened is looked up in the history of the asking run', async (t) => {
  const asked: string[][] = [];
  const activities = createOwnActivities({
    dispatch: notAsked,
    deliver: notAsked,
    publisher,
    history: async (workflowId, runId) => {
      asked.push([workflowId, runId]);
      return [
        { eventId: 5, activityId: '1' },
        { eventId: 7, scheduledEventId: 5 },
        { eventId: 9, reset: true },
      ];
    },
  });
  const env = new MockActivityEnvironment({ workflowExecution: { workflowId: 'w', runId: 'r' } });
  t.deepEqual(await env.run(activities[FAILURE_ORIGIN_ACTIVITY], '1'), { history: true, run: 'r' });
  t.deepEqual(await env.run(activities[FAILURE_ORIGIN_ACTIVITY], '2'), { history: false, run: 'r' });
  t.deepEqual(asked[0], ['w', 'r']);
});
