import { ApplicationFailure } from '@temporalio/common';
import type { TestFn } from 'ava';
import type { ExecutionStatus } from '../../bridge/temporal/describe.js';
import type { History, OperatorPort, Reapply } from '../../bridge/temporal/operator-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { type Activities, type Step, type Told } from '../helpers/scripted/steps.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

export interface ScriptedStart {
  readonly workflowId: string;
  readonly taskQueue: string;
  readonly steps: readonly Step[];
  readonly memo?: Readonly<Record<string, unknown>>;
  readonly workflowRunTimeoutMs?: number;
}

/** A port, and what the contract needs beside it. */
export interface OperatorUnderTest {
  readonly port: OperatorPort;
  /** A worker with {@link activities} polls it. */
  readonly taskQueue: string;
  /** @returns the run's ID */
  start(request: ScriptedStart): Promise<string>;
  terminate(workflowId: string): Promise<void>;
  cancel(workflowId: string): Promise<void>;
  /** The signal that scripts listen to. */
  tell(workflowId: string, what: unknown): Promise<void>;
}

const mended = new Set<string>();
const called = new Map<string, number>();

/** What the worker of this contract can do. */
export const activities: Activities = {
  fine: (workflowId) => {
    called.set(workflowId, (called.get(workflowId) ?? 0) + 1);
    return 'fine';
  },
  fails: () => {
    throw ApplicationFailure.nonRetryable('it fails', 'NotMended');
  },
  stumbles: () => {
    throw new Error('not this time');
  },
  mendable: (workflowId) => {
    if (!mended.has(workflowId)) throw ApplicationFailure.nonRetryable('it fails', 'NotMended');
    return 'mended';
  },
};

const isClosed = (port: OperatorPort, workflowId: string, runId?: string) =>
  until(() => port.inspect(workflowId, runId), {
    what: `${workflowId} to close`,
    accept: (found) => found?.closedAt !== undefined,
  });

const tasksOf = ({ events }: History): number[] =>
  (events ?? [])
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map((event) => Number(event.eventId));

/** What every operator port promises: run against the real server and against the double. */
export function operatorPortContract(test: TestFn, open: () => Promise<OperatorUnderTest>): void {
  const begin = async (steps: readonly Step[], fields: Partial<ScriptedStart> = {}) => {
    const it = await open();
    const { port } = it;
    const workflowId = unique('operated');
    const runId = await it.start({ workflowId, taskQueue: it.taskQueue, steps, ...fields });
    const reset = (eventId: number, reapply: Reapply = 'all', of = runId) =>
      port.reset({ workflowId, runId: of, eventId, reason: 'ann: mended', requestId: unique('r'), reapply });
    const tell = (what: unknown) => it.tell(workflowId, what);
    const told = async (of?: string): Promise<Told> => {
      const { runId: run } = (await isClosed(port, workflowId, of))!;
      const closing = await port.closing(workflowId, run);
      if (closing.kind !== 'completed') throw new Error(`Expected a completed run, got ${closing.kind}`);
      return closing.result as Told;
    };
    return { ...it, workflowId, runId, reset, tell, told, closed: () => isClosed(port, workflowId) };
  };

  test('what ended is listed, by type, queue and status, once visibility has caught up', async (t) => {
    const taskQueue = unique('queue');
    const first = await begin([], { taskQueue, memo: { subscription: 's', partition: 3 } });
    const second = await begin([], { taskQueue });
    const third = await begin([], { taskQueue });
    for (const { workflowId, terminate } of [second, first]) await terminate(workflowId);
    const list = async (query: string) => {
      const found = [];
      for await (const one of first.port.list(query)) found.push(one);
      return found;
    };
    const query = `TaskQueue IN ("nobody", "${taskQueue}") AND WorkflowType != "ktbQuarantine"`;
    const found = await until(() => list(`${query} AND ExecutionStatus IN ("Failed", "Terminated")`), {
      what: 'two that were terminated',
      accept: (all) => all.length === 2,
    });
    t.like(
      found.find(({ workflowId }) => workflowId === first.workflowId),
      {
        runId: first.runId,
        workflowType: 'scripted',
        taskQueue,
        status: 'terminated',
        memo: { subscription: 's', partition: 3 },
      },
    );
    t.true(found[0]!.closedAt! >= found[1]!.closedAt!, 'newest first');
    t.deepEqual(
      (await list(`${query} AND ExecutionStatus != "Terminated"`)).map(({ workflowId }) => workflowId),
      [third.workflowId],
    );
    const later = new Date(Date.now() + 60_000).toISOString();
    t.is((await list(`${query} AND StartTime >= "${later}"`)).length, 0);
    t.is((await list(`${query} AND CloseTime < "${later}"`)).length, 2);
    t.is((await list(`(${query}) AND (WorkflowId = "${third.workflowId}")`)).length, 1);
  });

  test('a list that is given up ends, without an error', async (t) => {
    const { port, taskQueue, workflowId } = await begin([]);
    await until(
      async () => (await port.list(`WorkflowId = "${workflowId}"`)[Symbol.asyncIterator]().next()).value,
      {
        what: 'it to be listed',
      },
    );
    const given = new AbortController();
    given.abort();
    for await (const _ of port.list(`TaskQueue = "${taskQueue}"`, given.signal)) t.fail();
    t.pass();
  });

  test('a query that is none is refused', async (t) => {
    const { port } = await open();
    const listing = port.list('nonsense of a query')[Symbol.asyncIterator]().next();
    const fault = await t.throwsAsync(listing, { instanceOf: TemporalFault });
    t.like(fault, { kind: 'rejected', status: 'INVALID_ARGUMENT' });
  });

  test('what does not exist is undefined', async (t) => {
    const { port, workflowId } = await begin([]);
    t.is(await port.inspect(unique('nobody')), undefined);
    t.is(await port.inspect(workflowId, '00000000-0000-4000-8000-000000000000'), undefined);
  });

  test('what runs is inspected with the activity that waits for its next attempt', async (t) => {
    const { port, workflowId, runId, taskQueue } = await begin([{ call: 'stumbles' }]);
    const found = await until(() => port.inspect(workflowId), {
      what: 'the second attempt',
      accept: (one) => one?.pendingActivities[0]?.attempt === 2,
    });
    t.like(found, {
      workflowId,
      runId,
      firstRunId: runId,
      taskQueue,
      status: 'running',
      closedAt: undefined,
    });
    const [pending] = found!.pendingActivities;
    t.like(pending, { activityType: 'stumbles', state: 'scheduled', lastFailure: 'not this time' });
    t.true(pending!.nextAttemptAt! > Date.now() + 60_000, 'in an hour');
    t.deepEqual(await port.closing(workflowId, runId), { kind: 'open' });
  });

  test('a run that completed tells its result', async (t) => {
    const { port, workflowId, runId, closed } = await begin([{ call: 'fine' }]);
    await closed();
    t.deepEqual(await port.closing(workflowId, runId), {
      kind: 'completed',
      result: { results: ['fine'], heard: [] },
    });
  });

  const endings: readonly (readonly [ExecutionStatus, Partial<ScriptedStart>, readonly Step[], RegExp])[] = [
    ['failed', {}, [{ fail: 'no such order' }], /no such order/],
    ['terminated', {}, [{ hear: 1 }], /test/],
    ['canceled', {}, [{ hear: 1 }], /cancel/i],
    ['timedOut', { workflowRunTimeoutMs: 1000 }, [{ hear: 1 }], /timed out/],
  ];
  for (const [status, fields, steps, message] of endings)
    test(`a run that ended as ${status} tells why`, async (t) => {
      const { port, workflowId, runId, closed, terminate, cancel } = await begin(steps, fields);
      if (status === 'terminated') await terminate(workflowId);
      if (status === 'canceled') await cancel(workflowId);
      t.is((await closed())?.status, status);
      const closing = await port.closing(workflowId, runId);
      t.is(closing.kind, 'failed');
      if (closing.kind === 'failed') t.regex(closing.error.message, message);
    });

  test("a step's failure is the cause of its run's", async (t) => {
    const { port, workflowId, runId, closed } = await begin([{ call: 'fails' }]);
    await closed();
    const closing = await port.closing(workflowId, runId);
    t.is(closing.kind, 'failed');
    if (closing.kind !== 'failed') return;
    t.is(closing.error.name, 'ActivityFailure');
    t.like(closing.error.cause, { name: 'ApplicationFailure', message: 'it fails', type: 'NotMended' });
  });

  test('a run that goes on as another one has ended well; the ID is the newer run', async (t) => {
    const { port, workflowId, runId } = await begin([{ again: [{ call: 'fine' }] }]);
    const current = await until(() => port.inspect(workflowId), {
      what: 'the next run to complete',
      accept: (one) => one?.status === 'completed',
    });
    t.not(current!.runId, runId);
    t.is(current!.firstRunId, runId);
    t.is((await port.inspect(workflowId, runId))?.status, 'continuedAsNew');
    t.deepEqual(await port.closing(workflowId, runId), { kind: 'completed', result: undefined });
  });

  test('a history says which task asked for a step, how the step failed, and how the run did', async (t) => {
    const { port, workflowId, runId, closed } = await begin([{ call: 'fine' }, { call: 'fails' }]);
    await closed();
    const { events } = await port.events(workflowId, runId);
    t.deepEqual(
      events?.map((event) => Number(event.eventId)),
      events?.map((_, index) => index + 1),
    );
    t.truthy(events?.[0]?.workflowExecutionStartedEventAttributes);
    const failed = events?.find((event) => event.activityTaskFailedEventAttributes);
    const attributes = failed?.activityTaskFailedEventAttributes;
    t.is(attributes?.failure?.message, 'it fails');
    const scheduled =
      events?.[Number(attributes?.scheduledEventId) - 1]?.activityTaskScheduledEventAttributes;
    t.is(scheduled?.activityType?.name, 'fails');
    const task = events?.[Number(scheduled?.workflowTaskCompletedEventId) - 1];
    t.truthy(task?.workflowTaskCompletedEventAttributes);
    t.deepEqual(tasksOf({ events }).length, 3);
    t.is(tasksOf({ events })[1], Number(task?.eventId));
    const outer = events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
    t.is(Number(outer?.activityFailureInfo?.scheduledEventId), Number(attributes?.scheduledEventId));
    t.is(outer?.cause?.message, 'it fails');
  });

  test('a history that is not there is a fault', async (t) => {
    const { port } = await open();
    const fault = await t.throwsAsync(port.events(unique('nobody'), '00000000-0000-4000-8000-000000000000'), {
      instanceOf: TemporalFault,
    });
    t.is(fault?.status, 'NOT_FOUND');
  });

  test('a Reset to the step that failed runs it again, and none that was finished; who and why stand in the history', async (t) => {
    const { port, workflowId, runId, reset, closed, told } = await begin([
      { call: 'fine' },
      { call: 'mendable' },
    ]);
    await closed();
    mended.add(workflowId);
    const next = await reset(tasksOf(await port.events(workflowId, runId))[1]!);
    t.not(next, runId);
    t.deepEqual((await told(next)).results, ['fine', 'mended']);
    t.is(called.get(workflowId), 1);
    t.like(await port.inspect(workflowId), { runId: next, firstRunId: runId });
    t.is((await port.inspect(workflowId, runId))?.status, 'failed', 'the run before stays what it was');
    const { events } = await port.events(workflowId, next);
    const mark = events?.find((event) => event.workflowTaskFailedEventAttributes?.newRunId);
    t.regex(mark?.workflowTaskFailedEventAttributes?.failure?.message ?? '', /ann: mended/);
  });

  test('what another run has come after is not reset again: a repeated Reset gives that run', async (t) => {
    const { port, workflowId, runId, closed, reset } = await begin([{ call: 'fails' }]);
    await closed();
    const [eventId] = tasksOf(await port.events(workflowId, runId));
    const next = await reset(eventId!);
    t.is(await reset(eventId!), next);
    await closed();
    t.is(await reset(eventId!), next, 'also after that one has closed');
    const [ofNext] = tasksOf(await port.events(workflowId, next));
    t.not(await reset(ofNext!, 'all', next), next, 'that one itself can be reset');
  });

  test('what had no task yet is not reset', async (t) => {
    const { port, workflowId, runId, reset, terminate } = await begin([], { taskQueue: unique('nobody') });
    await terminate(workflowId);
    const fault = await t.throwsAsync(reset(2), { instanceOf: TemporalFault });
    t.like(fault, { kind: 'rejected', status: 'INVALID_ARGUMENT' });
    t.is((await port.inspect(workflowId))?.runId, runId);
  });

  test('an event that is not there is refused', async (t) => {
    const { reset, closed } = await begin([{ call: 'fails' }]);
    await closed();
    t.is((await t.throwsAsync(reset(999), { instanceOf: TemporalFault }))?.kind, 'rejected');
  });

  for (const [reapply, kept] of [
    ['all', true],
    ['signals', true],
    ['updates', false],
    ['none', false],
  ] as const)
    test(`signals after the event are ${kept ? 'kept' : 'left out'} where ${reapply} is reapplied`, async (t) => {
      const { port, workflowId, runId, tell, told, reset } = await begin([{ hear: 1 }]);
      await until(async () => tasksOf(await port.events(workflowId, runId))[0], { what: 'its first task' });
      await tell('before');
      t.deepEqual((await told()).heard, ['before']);
      const next = await reset(tasksOf(await port.events(workflowId, runId))[0]!, reapply);
      if (!kept) await tell('after');
      const { heard } = await told(next);
      t.deepEqual(heard, [kept ? 'before' : 'after']);
    });

  test('what it was started with is read back', async (t) => {
    const { port, workflowId, runId } = await begin([{ hear: 2 }]);
    t.deepEqual(await port.input(workflowId, runId), [[{ hear: 2 }]]);
  });

  test('it is begun again under its ID with other arguments, and is what it was beside them', async (t) => {
    const memo = { subscription: 's', partition: 3 };
    const { port, workflowId, runId, taskQueue, closed, told } = await begin([{ call: 'fails' }], { memo });
    await closed();
    const next = await port.startAgain(workflowId, runId, [[{ call: 'fine' }]]);
    t.deepEqual((await told(next)).results, ['fine']);
    t.like(await port.inspect(workflowId), { runId: next, workflowType: 'scripted', taskQueue, memo });
    t.deepEqual(await port.input(workflowId, next), [[{ call: 'fine' }]]);
    t.is((await port.inspect(workflowId, runId))?.status, 'failed');
  });

  test('one that is open makes way for the one that is begun again', async (t) => {
    const { port, workflowId, runId } = await begin([{ hear: 1 }]);
    const next = await port.startAgain(workflowId, runId, [[{ call: 'fine' }]]);
    t.is((await port.inspect(workflowId, runId))?.status, 'terminated');
    t.is((await isClosed(port, workflowId))?.runId, next);
  });

  test('one that has completed is not begun again', async (t) => {
    const { port, workflowId, runId, closed } = await begin([]);
    await closed();
    const fault = await t.throwsAsync(port.startAgain(workflowId, runId, [[]]), {
      instanceOf: TemporalFault,
    });
    t.like(fault, { kind: 'rejected', status: 'ALREADY_EXISTS' });
    t.is((await port.inspect(workflowId))?.runId, runId);
  });

  test('what no worker ever took can be begun again', async (t) => {
    const { port, workflowId, runId, terminate } = await begin([], { taskQueue: unique('nobody') });
    await terminate(workflowId);
    const next = await port.startAgain(workflowId, runId, [[]]);
    t.like(await port.inspect(workflowId), { runId: next, status: 'running' });
  });

  test('those that poll a task queue are named', async (t) => {
    const { port, taskQueue } = await open();
    const names = await until(() => port.pollers(taskQueue), {
      what: 'a poller',
      accept: (all) => all.length > 0,
    });
    t.true(names.every((name) => name !== ''));
    t.is(new Set(names).size, names.length);
    t.deepEqual(await port.pollers(unique('nobody')), []);
  });

  test('a job resets a hundred of them on the server, and the next job has its turn', async (t) => {
    const it = await open();
    const { port, taskQueue } = it;
    const all = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const workflowId = unique('job');
        const runId = await it.start({ workflowId, taskQueue, steps: [{ call: 'mendable' }] });
        return { workflowId, runId };
      }),
    );
    const untouched = { workflowId: unique('job'), runId: '' };
    untouched.runId = await it.start({ ...untouched, taskQueue: unique('nobody'), steps: [] });
    for (const { workflowId } of all) {
      await isClosed(port, workflowId);
      mended.add(workflowId);
    }
    const job = {
      jobId: unique('job'),
      eventId: 4,
      reason: 'test',
      reapply: 'all' as const,
    };
    await until(() => port.startResetJob({ ...job, executions: [...all, untouched] }).then(() => true), {
      what: 'a turn: jobs of other tests run in this namespace',
    });
    const other = { ...job, jobId: unique('job'), executions: [untouched] };
    await until(() => port.startResetJob(other).then(() => true), { what: 'the next job to have its turn' });
    const ended = await until(() => port.job(job.jobId), {
      what: 'the job to end',
      accept: ({ state }) => state !== 'running',
    });
    t.deepEqual(ended, { state: 'completed', total: 101, done: 100, failed: 1 });
    for (const { workflowId, runId } of all) {
      const current = await until(() => port.inspect(workflowId), {
        what: 'it to complete',
        accept: (one) => one?.status === 'completed',
      });
      t.not(current?.runId, runId);
    }
    t.is((await port.inspect(untouched.workflowId))?.runId, untouched.runId);
    const second = await until(() => port.job(other.jobId), {
      what: 'the other job to end',
      accept: ({ state }) => state !== 'running',
    });
    t.like(second, { total: 1, done: 0, failed: 1 });
  });

  test('a job that nobody started is a fault', async (t) => {
    const { port } = await open();
    const fault = await t.throwsAsync(port.job(unique('job')), { instanceOf: TemporalFault });
    t.is(fault?.status, 'NOT_FOUND');
  });
}
