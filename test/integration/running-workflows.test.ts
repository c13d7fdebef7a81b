import { mkdirSync, writeFileSync } from 'node:fs';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import test from 'ava';
import { killLoop } from '../faults/kill-loop.js';
import type { StartedProcess } from '../faults/process.js';
import { countsOf, createScene, type Scene } from '../faults/scene.js';
import type { TestMessage } from '../helpers/kafka.js';
import { historyOf, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

/** Targets that keep what they get: `book` for as long as it is not closed, in a new run after each so many entries. */
const WORKFLOWS = `
import { ApplicationFailure, condition, continueAsNew, setHandler, defineSignal, defineUpdate } from '@temporalio/workflow';
export async function book(event, record, entries = [], entriesOfRun = Infinity) {
  let closed = false;
  let taken = 0;
  const take = (event) => { entries.push(event.n); taken++; };
  setHandler(defineSignal('entry'), take);
  setHandler(defineSignal('close'), () => { closed = true; });
  setHandler(defineUpdate('add'), async (event, record) => {
    if (event.fails) throw ApplicationFailure.nonRetryable('the book is full', 'Full');
    take(event);
    return { entries: entries.length, by: record.idempotencyKey };
  }, { validator: (event) => { if (event.n < 0) throw new Error('a negative entry'); } });
  await condition(() => closed || taken >= entriesOfRun);
  if (!closed) await continueAsNew(event, record, entries, entriesOfRun);
  return entries;
}
`;

/** `TOPIC` by event type; the target's ID stands in the event. */
const ROUTES = `[
  { id: 'entry', topic: TOPIC, eventType: 'entry', signal: 'entry', workflowId: '/to', waitForWorkflowMs: 3000 },
  { id: 'entry-or-start', topic: TOPIC, eventType: 'entry-or-start', signal: 'entry', workflowId: '/to', start: 'book' },
  { id: 'entry-or-new', topic: TOPIC, eventType: 'entry-or-new', signal: 'entry', workflowId: '/to', start: 'book', onClosed: 'startNew' },
  { id: 'add', topic: TOPIC, eventType: 'add', update: 'add', workflowId: '/to' },
  { id: 'add-or-start', topic: TOPIC, eventType: 'add-or-start', update: 'add', workflowId: '/to', start: 'book' },
]`;

let scene: Scene;
let bridge: StartedProcess;

test.before(async () => {
  scene = await createScene({ partitions: 2, routes: ROUTES, workflows: WORKFLOWS });
  scene.worker();
  bridge = scene.bridge();
});

test.after.always(async () => {
  // KTB_RECORD_HISTORIES=<release> keeps what test/workflows/histories.test.ts replays.
  if (process.env['KTB_RECORD_HISTORIES']) await recordHistories(process.env['KTB_RECORD_HISTORIES']);
  await scene?.[Symbol.asyncDispose]();
});

interface Entry {
  readonly to: string;
  readonly n: number;
  readonly fails?: boolean;
}

const message = (type: string, key: string, event: Entry, partition = 0): TestMessage => ({
  partition,
  key,
  value: JSON.stringify(event),
  headers: { 'idempotency-key': key, 'event-type': type },
});

/** A target's ID of this test's own. */
const named = (name: string): string => `${scene.name}-${name}`;

const openBook = (workflowId: string, entriesOfRun?: number, of: Scene = scene) =>
  of.client.workflow.start('book', {
    workflowId,
    taskQueue: of.taskQueue,
    args: [null, null, [], ...(entriesOfRun === undefined ? [] : [entriesOfRun])],
  });

/** Closes a target and gives what it got, in order. */
async function entriesOf(workflowId: string, of: Scene = scene): Promise<number[]> {
  const handle = of.client.workflow.getHandle(workflowId);
  await handle.signal('close');
  return (await handle.result()) as number[];
}

/** The record's own execution, when it has ended so. */
async function ended(key: string, status: 'COMPLETED' | 'FAILED', of: Scene = scene): Promise<unknown> {
  const workflowId = `${of.name}:${key}`;
  await until(async () => (await of.client.workflow.getHandle(workflowId).describe()).status.name, {
    what: `${key} to be ${status}`,
    timeoutMs: 120_000,
    accept: (name) => name === status,
  });
  if (status === 'COMPLETED') return of.client.workflow.getHandle(workflowId).result();
  const { events } = await historyOf(of.client, workflowId);
  return events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.message;
}

test('a signal arrives once, whatever comes again', async (t) => {
  const to = named('once');
  const { firstExecutionRunId: runId } = await openBook(to);
  const before = countsOf(bridge)['duplicate'] ?? 0;
  await scene.produce([
    message('entry', 'once-1', { to, n: 1 }),
    message('entry', 'once-1', { to, n: 1 }),
    message('entry', 'once-2', { to, n: 2 }),
    message('entry', 'once-1', { to, n: 1 }, 1),
  ]);
  t.deepEqual(await ended('once-1', 'COMPLETED'), { workflowId: to, runId });
  await ended('once-2', 'COMPLETED');
  await until(() => countsOf(bridge)['duplicate'] ?? 0, {
    what: 'two duplicates',
    accept: (count) => count >= before + 2,
  });
  t.deepEqual(await entriesOf(to), [1, 2]);
});

test('a target that continues as new forgets nothing: what it got comes no second time', async (t) => {
  const to = named('continues');
  await openBook(to, 2);
  const all = [1, 2, 3, 4, 5].map((n) => message('entry', `continues-${n}`, { to, n }));
  await scene.produce([...all, ...all]);
  for (let n = 1; n <= 5; n++) await ended(`continues-${n}`, 'COMPLETED');
  await scene.produce(all);
  await scene.committedToEnd();
  t.deepEqual(await entriesOf(to), [1, 2, 3, 4, 5]);
});

test('a workflow that is missing is started with the signal, and later ones go to it', async (t) => {
  const to = named('started');
  await scene.produce([1, 2].map((n) => message('entry-or-start', `started-${n}`, { to, n })));
  await ended('started-2', 'COMPLETED');
  t.deepEqual(await entriesOf(to), [1, 2]);
  const { events } = await historyOf(scene.client, to);
  t.is(events?.[0]?.workflowExecutionStartedEventAttributes?.workflowType?.name, 'book');
});

test('a missing target is waited for: one that comes in time gets its signal', async (t) => {
  const to = named('late');
  await scene.produce([message('entry', 'late', { to, n: 1 })]);
  await until(() => scene.client.workflow.getHandle(`${scene.name}:late`).describe(), { what: 'the event' });
  await openBook(to);
  await ended('late', 'COMPLETED');
  t.deepEqual(await entriesOf(to), [1]);
});

test('a target that stays away makes a dead letter, and a Reset delivers when it has come', async (t) => {
  const to = named('away');
  await scene.produce([message('entry', 'away', { to, n: 1 })]);
  t.is(await ended('away', 'FAILED'), `Expected a workflow ${to} to run, got none within 3000 ms`);
  await openBook(to);
  const id = `${scene.name}:away`;
  const { events } = await historyOf(scene.client, id);
  const points = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  const run = await resetTo(scene.client, id, Number(points.at(-1)!.eventId));
  t.like(await scene.client.workflow.getHandle(id, run).result(), { workflowId: to });
  const again = await resetTo(scene.client, id, Number(points[0]!.eventId));
  await scene.client.workflow.getHandle(id, again).result();
  t.deepEqual(await entriesOf(to), [1], 'a Reset of what was delivered delivers nothing more');
});

test('a closed target makes a dead letter, also where it could be started', async (t) => {
  const to = named('closed');
  await openBook(to);
  await entriesOf(to);
  await scene.produce([
    message('entry', 'closed-1', { to, n: 1 }),
    message('entry-or-start', 'closed-2', { to, n: 2 }),
  ]);
  const expected = `Expected a workflow ${to} to run, got one that is completed`;
  t.is(await ended('closed-1', 'FAILED'), expected);
  t.is(await ended('closed-2', 'FAILED'), expected);
});

test("with `onClosed: 'startNew'` a closed target is followed by a new one, which gets the signal", async (t) => {
  const to = named('anew');
  const { firstExecutionRunId: first } = await openBook(to);
  await entriesOf(to);
  await scene.produce([7, 8].map((n) => message('entry-or-new', `anew-${n}`, { to, n })));
  const { runId } = (await ended('anew-7', 'COMPLETED')) as { runId: string };
  t.not(runId, first);
  await ended('anew-8', 'COMPLETED');
  t.deepEqual(await entriesOf(to), [7, 8]);
});

test("an update's result is the event's; with `start` it starts what is missing", async (t) => {
  const to = named('updated');
  await scene.produce([
    message('add-or-start', 'updated-1', { to, n: 1 }),
    message('add', 'updated-2', { to, n: 2 }),
  ]);
  t.deepEqual(await ended('updated-1', 'COMPLETED'), { entries: 1, by: 'updated-1' });
  t.deepEqual(await ended('updated-2', 'COMPLETED'), { entries: 2, by: 'updated-2' });
  t.deepEqual(await entriesOf(to), [1, 2]);
});

test('an update that is rejected, or fails, is a dead letter with its message; after a Reset it is asked anew', async (t) => {
  const to = named('rejected');
  await openBook(to);
  await scene.produce([
    message('add', 'rejected', { to, n: -1 }),
    message('add', 'failed', { to, n: 1, fails: true }),
  ]);
  t.is(await ended('rejected', 'FAILED'), 'a negative entry');
  t.is(await ended('failed', 'FAILED'), 'the book is full');
  const id = `${scene.name}:failed`;
  const run = await resetTo(scene.client, id, 4);
  await t.throwsAsync(scene.client.workflow.getHandle(id, run).result());
  const { events } = await historyOf(scene.client, to);
  const accepted = (events ?? []).filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
  t.is(accepted.length, 2);
  t.deepEqual(await entriesOf(to), []);
});

test('a record whose target has no ID is quarantined', async (t) => {
  const [at] = await scene.produce([message('entry', 'nobody', { n: 1 } as Entry)]);
  const found = await until(
    () => scene.executions('WorkflowType = "ktbQuarantine" AND ExecutionStatus = "Failed"'),
    {
      what: 'the quarantine',
      timeoutMs: 120_000,
      accept: (seen) =>
        seen.some(({ workflowId }) => workflowId.includes(`/${at!.partition}/${at!.offset}@`)),
    },
  );
  const one = found.find(({ workflowId }) => workflowId.includes(`/${at!.partition}/${at!.offset}@`))!;
  const { events } = await historyOf(scene.client, one.workflowId);
  t.is(
    events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.message,
    'Expected the event to have at "/to" a workflow\'s ID, got none',
  );
});

test('whatever is killed meanwhile, each target gets each of its events once, in the order of the log', async (t) => {
  t.timeout(300_000);
  await using own = await createScene({
    partitions: 4,
    routes: ROUTES,
    workflows: WORKFLOWS,
  });
  const targets = Array.from({ length: 12 }, (_, index) => `${own.name}-target-${index}`);
  const events = 20;
  await Promise.all(targets.map((to, index) => openBook(to, index % 3 === 0 ? 4 : undefined, own)));
  const bridges = new Set([own.bridge('bridge-0')]);
  const workers = new Set([own.worker('worker-0'), own.worker('worker-1')]);
  let started = 1;
  const all = Array.from({ length: events }, (_, n) =>
    targets.map((to, index) => message('entry', `e-${index}-${n}`, { to, n }, index % 4)),
  ).flat();
  await own.produce(all.slice(0, all.length / 2));
  await until(() => own.executions('WorkflowType = "ktbTargetRoute" AND ExecutionStatus = "Completed"'), {
    what: 'the first to be delivered',
    timeoutMs: 120_000,
    accept: (seen) => seen.length > 5,
  });
  const strike = (seed: number, among: Set<StartedProcess>, revive: () => StartedProcess, times: number) =>
    killLoop({
      seed,
      everyMs: [1_500, 4_000],
      times,
      targets: () => [...among],
      revive: (victim) => {
        among.delete(victim);
        among.add(revive());
      },
      onStrike: ({ victim, atMs }) => t.log(`killed ${victim} after ${atMs} ms`),
    });
  const loops = [
    strike(6, bridges, () => own.bridge(`bridge-${++started}`), 2),
    strike(7, workers, () => own.worker(`worker-${++started}`), 2),
  ];
  await own.produce(all.slice(all.length / 2));
  await Promise.all(loops.map(({ done }) => done));
  await own.committedToEnd(180_000);
  const wanted = Array.from({ length: events }, (_, n) => n);
  for (const to of targets) t.deepEqual(await entriesOf(to, own), wanted, to);
  const seen = await until(() => own.executions('WorkflowType = "ktbTargetRoute"'), {
    what: `visibility to list ${all.length} executions`,
    accept: (found) => found.length >= all.length,
  });
  t.is(seen.length, all.length, 'one execution for each event');
});

async function recordHistories(release: string): Promise<void> {
  const folder = new URL(`../histories/${release}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  const kept = ['once-1', 'away', 'updated-1', 'rejected', 'failed', 'closed-1'];
  const own = (await scene.executions('WorkflowType = "ktbTargetRoute"')).filter(({ workflowId }) =>
    kept.some((key) => workflowId === `${scene.name}:${key}`),
  );
  for (const [index, { workflowId, runId, type, status }] of own.entries()) {
    const history = await historyOf(scene.client, workflowId, runId);
    const file = new URL(`${type}-${status.name.toLowerCase()}-${index}.json`, folder);
    writeFileSync(file, `${historyToJSON(history as never)}\n`);
  }
}
