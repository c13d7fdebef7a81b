import test from 'ava';
import { prefixBefore, resetPointOf } from '../../bridge/operate/reset-point.js';
import type { History } from '../../bridge/temporal/operator-port.js';
import { temporal } from '../../bridge/temporal/proto.js';
import { OperatorDouble } from '../helpers/doubles/operator-double.js';
import { Operated } from '../helpers/doubles/operated.js';
import type { Step } from '../helpers/scripted/steps.js';

/** What the double writes for a script, as a server would. */
async function historyOf(steps: readonly Step[]): Promise<History> {
  const { operator } = new Operated();
  const runId = operator.start({ workflowId: 'one', taskQueue: 'orders', steps });
  return operator.events('one', runId);
}

/** A history by hand: each event's name, as in the API, with its attributes. */
function written(...events: readonly (readonly [type: string, attributes?: object])[]): History {
  return {
    events: events.map(([type, attributes = {}], index) => {
      const name = type.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
      return temporal.api.history.v1.HistoryEvent.fromObject({
        eventId: index + 1,
        eventType: `EVENT_TYPE_${type}`,
        [`${name}EventAttributes`]: attributes,
      });
    }),
  };
}

const TASK = [['WORKFLOW_TASK_SCHEDULED'], ['WORKFLOW_TASK_STARTED'], ['WORKFLOW_TASK_COMPLETED']] as const;

test('without a hint it is the task that asked for the step which failed', async (t) => {
  const history = await historyOf([{ call: 'fine' }, { call: 'fails' }]);
  t.deepEqual(resetPointOf(history, 'failing-step'), { eventId: 10, tasksBefore: 1 });
});

test('the event that the failure names is taken', async (t) => {
  const history = await historyOf([{ call: 'fine' }, { call: 'fails' }]);
  t.deepEqual(resetPointOf(history, 'failing-step', 4), { eventId: 4, tasksBefore: 0 });
});

test('a hint that is no end of a task here is passed by', async (t) => {
  const history = await historyOf([{ call: 'fine' }, { call: 'fails' }]);
  for (const hint of [0, 3, 5, 999])
    t.is(resetPointOf(history, 'failing-step', hint)?.eventId, 10, String(hint));
});

test('from the start it is the first task, whatever the failure names', async (t) => {
  const history = await historyOf([{ call: 'fine' }, { call: 'fails' }]);
  t.deepEqual(resetPointOf(history, 'start', 10), { eventId: 4, tasksBefore: 0 });
});

test('a failure of its own is done anew from its last task', async (t) => {
  const history = await historyOf([{ call: 'fine' }, { fail: 'no such order' }]);
  t.deepEqual(resetPointOf(history, 'failing-step'), { eventId: 10, tasksBefore: 1 });
});

for (const [what, scheduled, failed] of [
  [
    'an activity that timed out',
    ['ACTIVITY_TASK_SCHEDULED', { workflowTaskCompletedEventId: 4 }],
    ['ACTIVITY_TASK_TIMED_OUT', { scheduledEventId: 5 }],
  ],
  [
    'a child workflow that failed',
    ['START_CHILD_WORKFLOW_EXECUTION_INITIATED', { workflowTaskCompletedEventId: 4 }],
    ['CHILD_WORKFLOW_EXECUTION_FAILED', { initiatedEventId: 5 }],
  ],
  [
    'a child workflow that timed out',
    ['START_CHILD_WORKFLOW_EXECUTION_INITIATED', { workflowTaskCompletedEventId: 4 }],
    ['CHILD_WORKFLOW_EXECUTION_TIMED_OUT', { initiatedEventId: 5 }],
  ],
] as const)
  test(`${what} is started again`, (t) => {
    const history = written(['WORKFLOW_EXECUTION_STARTED'], ...TASK, scheduled, failed, ...TASK, [
      'WORKFLOW_EXECUTION_FAILED',
    ]);
    t.deepEqual(resetPointOf(history, 'failing-step'), { eventId: 4, tasksBefore: 0 });
  });

test('of several steps that failed it is the last: the one before was handled', async (t) => {
  const history = written(
    ['WORKFLOW_EXECUTION_STARTED'],
    ...TASK,
    ['ACTIVITY_TASK_SCHEDULED', { workflowTaskCompletedEventId: 4 }],
    ['ACTIVITY_TASK_FAILED', { scheduledEventId: 5 }],
    ...TASK,
    ['ACTIVITY_TASK_SCHEDULED', { workflowTaskCompletedEventId: 9 }],
    ['ACTIVITY_TASK_FAILED', { scheduledEventId: 10 }],
    ...TASK,
    ['WORKFLOW_EXECUTION_FAILED'],
  );
  t.deepEqual(resetPointOf(history, 'failing-step'), { eventId: 9, tasksBefore: 1 });
});

test('what was terminated in the middle of a step is done anew from the task that asked for it', async (t) => {
  const operator = new OperatorDouble();
  operator.activities['stumbles'] = () => {
    throw new Error('not this time');
  };
  operator.poll('queue');
  const runId = operator.start({ workflowId: 'one', steps: [{ call: 'stumbles' }] });
  operator.terminate('one');
  t.deepEqual(resetPointOf(await operator.events('one', runId), 'failing-step'), {
    eventId: 4,
    tasksBefore: 0,
  });
});

test('what timed out is done anew from its last task', (t) => {
  const history = written(
    ['WORKFLOW_EXECUTION_STARTED'],
    ...TASK,
    ['TIMER_STARTED', { workflowTaskCompletedEventId: 4 }],
    ['TIMER_FIRED', { startedEventId: 5 }],
    ...TASK,
    ['WORKFLOW_EXECUTION_TIMED_OUT'],
  );
  t.deepEqual(resetPointOf(history, 'failing-step'), { eventId: 9, tasksBefore: 1 });
});

test('what no worker has picked up can be reset to nothing', async (t) => {
  const operator = new OperatorDouble();
  const runId = operator.start({ workflowId: 'one' });
  operator.terminate('one');
  const history = await operator.events('one', runId);
  t.is(resetPointOf(history, 'failing-step'), undefined);
  t.is(resetPointOf(history, 'start'), undefined);
  t.is(resetPointOf(history, 'failing-step', 2), undefined);
  t.is(resetPointOf({}, 'start'), undefined);
});

test('after a Reset the end that the Reset made is no task', async (t) => {
  const { operator } = new Operated();
  const runId = operator.start({ workflowId: 'one', taskQueue: 'orders', steps: [{ call: 'fails' }] });
  const request = {
    workflowId: 'one',
    runId,
    eventId: 4,
    reason: 'x',
    requestId: 'r',
    reapply: 'all',
  } as const;
  const next = await operator.reset(request);
  const history = await operator.events('one', next);
  t.truthy(history.events?.[3]?.workflowTaskFailedEventAttributes);
  t.deepEqual(resetPointOf(history, 'start', 4), { eventId: 7, tasksBefore: 0 });
});

test('what a worker has seen before a task is everything before its end', async (t) => {
  const history = await historyOf([{ call: 'fine' }, { call: 'fails' }]);
  const { events } = prefixBefore(history, 10);
  t.is(events?.length, 9);
  t.truthy(events?.at(-1)?.workflowTaskStartedEventAttributes);
});
