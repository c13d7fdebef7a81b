import type { TestFn } from 'ava';
import { boundedId } from '../../bridge/temporal/ids.js';
import type { FailedExecutions, StartRequest, TemporalPort } from '../../bridge/temporal/temporal-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import type { StartWithMessage, TargetMessage } from '../../bridge/temporal/target-port.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

/** A port, and what the contract needs beside it. */
export interface PortUnderTest {
  readonly port: TemporalPort;
  /** Ends a running execution, as an operator would. */
  terminate(workflowId: string): Promise<void>;
}

export function startRequest(fields: Partial<StartRequest> = {}): StartRequest {
  return {
    workflowId: unique('port'),
    requestId: unique('request'),
    workflowType: 'nobodyRunsThis',
    taskQueue: unique('queue'),
    args: [{ hello: 'wörld' }, null],
    memo: { subscription: 's', offset: '42', key: null, processedAt: 7 },
    labels: { record: 't/0/42', key: 'k', route: 'r', offset: 42n },
    ...fields,
  };
}

/** A signal for a workflow. */
export function signalTo(workflowId: string, fields: Partial<TargetMessage> = {}): TargetMessage {
  return {
    kind: 'signal',
    name: 'paymentReceived',
    workflowId,
    requestId: unique('signal'),
    args: [{ cents: 5 }, null],
    ...fields,
  };
}

const startWith = (fields: Partial<StartWithMessage> = {}): StartWithMessage => ({
  workflowType: 'nobodyRunsThis',
  taskQueue: unique('queue'),
  args: [{ cents: 5 }, null],
  afterClosed: false,
  ...fields,
});

const { signal: never } = new AbortController();

/** What every Temporal port promises: run against the real server and against the double. */
export function temporalPortContract(test: TestFn, open: () => Promise<PortUnderTest>): void {
  test('a start says which run it began', async (t) => {
    const { port } = await open();
    const request = startRequest();
    const answer = await port.start(request);
    t.is(answer.kind, 'started');
    t.is((await port.describe(request.workflowId))?.runId, answer.runId);
  });

  test('the same request ID meets its own run again, also after it has closed, and then says so', async (t) => {
    const { port, terminate } = await open();
    const request = startRequest();
    const first = await port.start(request);
    t.deepEqual(await port.start(request), first);
    await terminate(request.workflowId);
    t.is((await port.describe(request.workflowId))?.status, 'terminated');
    t.deepEqual(await port.start(request), { ...first, closed: true });
  });

  test('two starts at once with one request ID begin one run', async (t) => {
    const { port } = await open();
    const request = startRequest();
    const answers = await Promise.all([1, 2, 3, 4].map(() => port.start(request)));
    for (const answer of answers) t.deepEqual(answer, answers[0]);
    t.is(answers[0]?.kind, 'started');
  });

  test("another request ID learns the first one's, also after the run has closed", async (t) => {
    const { port, terminate } = await open();
    const first = startRequest();
    const { runId } = await port.start(first);
    const second = { ...first, requestId: unique('request') };
    t.deepEqual(await port.start(second), { kind: 'taken', runId, requestId: first.requestId });
    await terminate(first.workflowId);
    t.deepEqual(await port.start(second), { kind: 'taken', runId, requestId: first.requestId });
  });

  test('describe tells of memo, type, queue and status', async (t) => {
    const { port, terminate } = await open();
    const request = startRequest();
    const { runId } = await port.start(request);
    const running = await port.describe(request.workflowId);
    t.like(running, {
      workflowId: request.workflowId,
      runId,
      firstRunId: runId,
      workflowType: request.workflowType,
      taskQueue: request.taskQueue,
      status: 'running',
      closedAt: undefined,
    });
    // A memo's null is Temporal's word for "no such field".
    t.deepEqual({ ...running?.memo, key: null }, request.memo);
    t.is(running?.memo['key'], undefined);
    t.true(running!.startedAt > 1_600_000_000_000);
    await terminate(request.workflowId);
    const closed = await port.describe(request.workflowId, runId);
    t.is(closed?.status, 'terminated');
    t.true(closed!.closedAt! >= closed!.startedAt);
  });

  test('what does not exist is undefined', async (t) => {
    const { port } = await open();
    t.is(await port.describe(unique('nobody')), undefined);
    const request = startRequest();
    await port.start(request);
    t.is(await port.describe(request.workflowId, '00000000-0000-4000-8000-000000000000'), undefined);
  });

  test('an event that is too large is refused as oversized, and starts nothing', async (t) => {
    const { port } = await open();
    const { blobSizeLimitBytes } = await port.capabilities();
    const request = startRequest({ args: ['x'.repeat(blobSizeLimitBytes + 1)] });
    const fault = await t.throwsAsync(port.start(request), { instanceOf: TemporalFault });
    t.is(fault?.kind, 'oversized');
    t.is(await port.describe(request.workflowId), undefined);
    t.is((await port.start({ ...request, args: ['x'] })).kind, 'started');
  });

  test('the longest ID that we give is taken as it is', async (t) => {
    const { port } = await open();
    const prefix = unique('long');
    const workflowId = boundedId(
      `${prefix}${'ä'.repeat(Math.floor((255 - prefix.length) / 2))}x`.slice(0, -1),
    );
    t.true(Buffer.byteLength(workflowId) >= 254);
    const { runId } = await port.start(startRequest({ workflowId }));
    t.like(await port.describe(workflowId), { workflowId, runId });
  });

  test('tasks that no worker takes are counted, on their own queue', async (t) => {
    const { port } = await open();
    const taskQueue = unique('queue');
    t.deepEqual(await port.backlog(taskQueue), { count: 0, ageMs: 0, polled: false });
    for (let index = 0; index < 3; index++) await port.start(startRequest({ taskQueue }));
    const backlog = await until(() => port.backlog(taskQueue), {
      what: 'three waiting tasks',
      accept: ({ count }) => count === 3,
    });
    t.false(backlog.polled);
    t.is((await port.backlog(unique('queue'))).count, 0);
  });

  test('what ended badly is counted by route, task queue and time; what runs, and what is in quarantine, is not', async (t) => {
    const { port, terminate } = await open();
    const [taskQueue, route, other] = [unique('queue'), unique("route's"), unique('route')];
    const from = Date.now() - 10_000;
    const begin = async (fields: Partial<StartRequest>, ended = true) => {
      const labels = { record: 't/0/1', key: 'k', route, offset: 1n };
      const request = startRequest({ taskQueue, labels, ...fields });
      await port.start(request);
      if (ended) await terminate(request.workflowId);
      return request;
    };
    await begin({});
    await begin({});
    await begin({}, false);
    await begin({ workflowType: 'ktbQuarantine' });
    await begin({ taskQueue: unique('queue') });
    await begin({ labels: { record: 't/0/2', key: 'k', route: other, offset: 2n } });
    const to = Date.now() + 60_000;
    const count = (fields: Partial<FailedExecutions> = {}) =>
      port.countFailed({ routes: [route], taskQueues: [taskQueue], from, to, ...fields });
    await until(() => count({ routes: [route, other] }), {
      what: 'visibility to have heard of three',
      accept: (found) => found === 3,
    });
    t.is(await count(), 2);
    t.is(await count({ to: from }), 0);
    t.is(await count({ from: to, to: to + 1 }), 0);
  });

  test('the namespace says what it can do', async (t) => {
    const { port } = await open();
    const found = await port.capabilities();
    t.not(found.serverVersion, '');
    t.true(found.blobSizeLimitBytes >= 1024 * 1024);
    t.true(found.retentionMs! > 0);
    t.is(typeof found.standaloneActivities, 'boolean');
    t.true(found.searchAttributes instanceof Set);
  });

  test('a history has its events in order, by their names', async (t) => {
    const { port, terminate } = await open();
    const request = startRequest();
    const { runId } = await port.start(request);
    await terminate(request.workflowId);
    const events = await port.history(request.workflowId, runId!);
    t.deepEqual(events, [
      { eventId: 1, type: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED' },
      { eventId: 2, type: 'EVENT_TYPE_WORKFLOW_TASK_SCHEDULED' },
      { eventId: 3, type: 'EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED' },
    ]);
  });

  test('a signal is in the history of the run that it was sent to, once for its request ID', async (t) => {
    const { port } = await open();
    const { workflowId, ...request } = startRequest();
    const { runId } = await port.start({ ...request, workflowId });
    const message = signalTo(workflowId);
    t.false(await port.hasReceived(message, runId!));
    const before = (await port.describe(workflowId))!.historyLength;
    for (let count = 0; count < 3; count++)
      t.deepEqual(await port.send(message, runId!), { kind: 'delivered', runId: runId! });
    t.true(await port.hasReceived(message, runId!));
    t.false(await port.hasReceived(signalTo(workflowId), runId!));
    t.is((await port.describe(workflowId))!.historyLength, before + 1);
  });

  test('a run that is missing or closed takes no signal; one that it has taken it still knows', async (t) => {
    const { port, terminate } = await open();
    const request = startRequest();
    const { workflowId } = request;
    const nobody = '00000000-0000-4000-8000-000000000000';
    t.deepEqual(await port.send(signalTo(workflowId), nobody), { kind: 'notTaken' });
    t.false(await port.hasReceived(signalTo(workflowId), nobody));
    const { runId } = await port.start(request);
    const message = signalTo(workflowId);
    await port.send(message, runId!);
    await terminate(workflowId);
    t.deepEqual(await port.send(signalTo(workflowId), runId!), { kind: 'notTaken' });
    t.deepEqual(await port.send(message, runId!), { kind: 'delivered', runId: runId! });
    t.true(await port.hasReceived(message, runId!));
  });

  test('a workflow is started with a signal, which is in its first run', async (t) => {
    const { port } = await open();
    const message = signalTo(unique('started'));
    const answer = await port.sendWithStart(message, startWith());
    const found = await port.describe(message.workflowId);
    t.deepEqual(answer, { kind: 'delivered', runId: found!.runId });
    t.like(found, { status: 'running', workflowType: 'nobodyRunsThis' });
    t.true(await port.hasReceived(message, found!.firstRunId));
    t.is((await port.send(message, found!.runId)).kind, 'delivered');
  });

  test('the runs of an ID since a time are found, and an odd ID breaks no query', async (t) => {
    const { port, terminate } = await open();
    const since = Date.now() - 1_000;
    const message = signalTo(unique('started'));
    const { workflowId } = message;
    await port.sendWithStart(message, startWith());
    await terminate(workflowId);
    await port.sendWithStart(signalTo(workflowId), startWith({ afterClosed: true }));
    const runs = await until(() => port.runsSince(workflowId, since), {
      what: 'both runs',
      accept: (seen) => seen.length === 2,
    });
    t.true(runs.includes((await port.describe(workflowId))!.runId));
    t.deepEqual(await port.runsSince(workflowId, Date.now() + 60_000), []);
    t.deepEqual(await port.runsSince(`${unique("it's")}"\\' OR WorkflowId != '`, since), []);
  });

  test('a start with a signal goes to a run that is there, and follows a closed one only if it may', async (t) => {
    const { port, terminate } = await open();
    const request = startRequest();
    const { workflowId } = request;
    const { runId } = await port.start(request);
    const message = signalTo(workflowId);
    const delivered = { kind: 'delivered', runId: runId! };
    for (let count = 0; count < 2; count++)
      t.deepEqual(await port.sendWithStart(message, startWith({ afterClosed: true })), delivered);
    t.true(await port.hasReceived(message, runId!));
    await terminate(workflowId);
    const second = signalTo(workflowId);
    t.deepEqual(await port.sendWithStart(second, startWith()), { kind: 'notTaken' });
    const answer = await port.sendWithStart(second, startWith({ afterClosed: true }));
    t.is(answer.kind, 'delivered');
    const found = await port.describe(workflowId);
    t.not(found?.runId, runId);
    t.is(answer.kind === 'delivered' ? answer.runId : '', found!.runId);
  });

  test('a close is waited for: not yet, then closed; what is gone has closed', async (t) => {
    const { port, terminate } = await open();
    const request = startRequest();
    const { runId } = await port.start(request);
    t.false(await port.awaitClosed(request.workflowId, runId!, 3_000, never));
    const waits = port.awaitClosed(request.workflowId, runId!, 20_000, never);
    await terminate(request.workflowId);
    t.true(await waits);
    t.true(await port.awaitClosed(request.workflowId, runId!, 20_000, never));
    t.true(await port.awaitClosed(unique('nobody'), '00000000-0000-4000-8000-000000000000', 20_000, never));
  });

  test('a wait for a close ends with its signal', async (t) => {
    const { port } = await open();
    const request = startRequest();
    const { runId } = await port.start(request);
    const abort = new AbortController();
    const waits = port.awaitClosed(request.workflowId, runId!, 20_000, abort.signal);
    abort.abort();
    t.false(await waits);
  });
}
