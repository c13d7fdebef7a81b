/** What a real worker process tells the capacity workflow of records' slots. The records are started by hand. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { StartedProcess } from '../faults/process.js';
import { createScene, type Scene } from '../faults/scene.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';
import { tells, workerReports } from '../helpers/worker-reports.js';
import {
  ACTIVITY_ROUTE_WORKFLOW,
  ownTaskQueue,
  type ActivityRouteOptions,
} from '../../workflows/contract.js';
import { CAPACITY_WORKFLOW, capacityWorkflowId, slotText } from '../../workflows/capacity/contract.js';

const WORKFLOWS = `
import { ApplicationFailure, CancellationScope, condition, continueAsNew, defineSignal, executeChild, proxyActivities, setHandler, sleep, startChild, workflowInfo } from '@temporalio/workflow';
import { releaseCapacity } from 'kafka-temporal-bridge/workflow';

const { hold, holdReleased, failOnce } = proxyActivities({ startToCloseTimeout: '4s', retry: { initialInterval: '100ms' } });
const patient = proxyActivities({ startToCloseTimeout: '4s', retry: { initialInterval: '1h', maximumInterval: '1h' } });

const signalled = async () => {
  let told = false;
  setHandler(defineSignal('go'), () => void (told = true));
  await condition(() => told);
};

export const holds = async (file) => hold(file);
export const holdsReleased = async (file) => holdReleased(file);
export const holdsWithin = async (file) => CancellationScope.withTimeout('1h', () => hold(file));
export const holdsBesideAChild = async (file) => {
  await startChild(waits, { workflowId: workflowInfo().workflowId + '/child', parentClosePolicy: 'TERMINATE' });
  await hold(file);
};
export const fails = async () => { throw ApplicationFailure.nonRetryable('no'); };
export const failsOnce = async () => failOnce();
export const retriesLater = async () => patient.failOnce();
export const waits = async () => signalled();
export const releases = async () => { releaseCapacity(); releaseCapacity(); await signalled(); };
export const sleeps = async () => sleep('1h');
export const asks = async () => executeChild(waits, { workflowId: workflowInfo().workflowId + '/child' });
export const leaves = async () => {
  await startChild(waits, { workflowId: workflowInfo().workflowId + '/child', parentClosePolicy: 'ABANDON' });
  await signalled();
};
export const goesOn = async (again) => { if (again) await continueAsNew(false); await signalled(); };
`;

const ACTIVITIES = `
import { existsSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import { releaseCapacity } from 'kafka-temporal-bridge';
const exists = async (file) => { while (!existsSync(file)) await Context.current().sleep(50); };
export const hold = exists;
export const holdReleased = async (file) => { releaseCapacity(); await exists(file); };
export const failOnce = async () => { if (Context.current().info.attempt === 1) throw new Error('not yet'); };
export const payReleased = async (event, record, call) => { call.releaseCapacity(); await exists(event.file); };
export const pay = async (event) => exists(event.file);
export const payLater = async () => { throw new Error('not today'); };
`;

let scene: Scene;

test.before(async () => {
  scene = await openScene();
  await scene.worker().waitForOutput('polling');
});
test.after.always(async () => scene?.[Symbol.asyncDispose]());

/** A worker's project, and a capacity workflow that nobody runs: its history is all that comes. */
async function openScene(): Promise<Scene> {
  const opened = await createScene({
    workflows: WORKFLOWS,
    activities: ACTIVITIES,
    routes: `[
      { id: 'work', topic: TOPIC, eventType: 'work', workflow: 'holds' },
      { id: 'pay', topic: TOPIC, activity: 'pay' },
    ]`,
  });
  await opened.client.workflow.start(CAPACITY_WORKFLOW, {
    workflowId: capacityWorkflowId(opened.taskQueue),
    taskQueue: unique('nobody'),
  });
  return opened;
}

interface Started {
  readonly workflowId: string;
  readonly slot: string;
  /** What its activity waits for. */
  readonly file: string;
  letGo(): void;
}

let number = 0;

/** A record's workflow, as a bridge would start it. */
async function start(workflow: string, args?: readonly unknown[], on = scene): Promise<Started> {
  const workflowId = unique(workflow);
  const slot = slotText('bridge.0', number++);
  const file = join(on.project.dir, workflowId);
  await on.client.workflow.start(workflow, {
    workflowId,
    taskQueue: on.taskQueue,
    memo: { slot },
    args: [...(args ?? [file])],
  });
  return { workflowId, slot, file, letGo: () => writeFileSync(file, '') };
}

/** A record of an activity route, as a bridge would start it. */
async function startRoute(activity: string, retry: Partial<ActivityRouteOptions['retry']> = {}) {
  const workflowId = unique(activity);
  const slot = slotText('bridge.1', number++);
  const file = join(scene.project.dir, workflowId);
  const options: ActivityRouteOptions = {
    activity,
    startToCloseTimeoutMs: 30_000,
    heartbeatTimeoutMs: 10_000,
    retry: {
      maximumAttempts: 3,
      initialIntervalMs: 100,
      maximumIntervalMs: 3_600_000,
      backoffCoefficient: 2,
      nonRetryableErrors: [],
      ...retry,
    },
  };
  await scene.client.workflow.start(ACTIVITY_ROUTE_WORKFLOW, {
    workflowId,
    taskQueue: ownTaskQueue(scene.taskQueue),
    memo: { slot },
    args: [{ file }, {}, options],
  });
  return { workflowId, slot, file, letGo: () => writeFileSync(file, '') };
}

const released = (slot: string, on = scene) => told('released', slot, on);
const running = (slot: string, on = scene) => told('running', slot, on);

function told(what: 'released' | 'running', slot: string, on: Scene) {
  return until(() => workerReports(on.client, on.taskQueue), {
    what: `a report that ${slot} is ${what}`,
    accept: (reports) => reports.some((report) => tells(report, what, slot)),
  });
}

async function isReleased(slot: string, on = scene): Promise<boolean> {
  return (await workerReports(on.client, on.taskQueue)).some((report) => tells(report, 'released', slot));
}

const statusOf = async ({ workflowId }: Pick<Started, 'workflowId'>, on = scene) =>
  (await on.client.workflow.getHandle(workflowId).describe()).status.name;

const resultOf = ({ workflowId }: Pick<Started, 'workflowId'>, on = scene) =>
  on.client.workflow.getHandle(workflowId).result();

test('a record runs while its activity does, and is released when its workflow has closed', async (t) => {
  const one = await start('holds');
  await running(one.slot);
  t.false(await isReleased(one.slot));
  one.letGo();
  await released(one.slot);
  await resultOf(one);
  t.is(await statusOf(one), 'COMPLETED');
});

test('a record that fails is released', async (t) => {
  const one = await start('fails', []);
  await released(one.slot);
  await t.throwsAsync(resultOf(one));
});

test('a record that is cancelled is released', async (t) => {
  const one = await start('holds');
  await running(one.slot);
  await scene.client.workflow.getHandle(one.workflowId).cancel();
  await released(one.slot);
  t.is(await statusOf(one), 'CANCELLED');
});

test('a record that is terminated is released by nobody: its slot comes back by its lease', async (t) => {
  const ended = await start('waits', []);
  const { client } = scene;
  await until(
    async () => (await client.workflow.getHandle(ended.workflowId).fetchHistory()).events?.length ?? 0,
    { what: 'its first task to be done', accept: (events) => events >= 4 },
  );
  await client.workflow.getHandle(ended.workflowId).terminate();
  const later = await start('fails', []);
  await released(later.slot);
  t.false(await isReleased(ended.slot));
});

test('`releaseCapacity()` in a workflow releases while it goes on', async (t) => {
  const one = await start('releases', []);
  await released(one.slot);
  t.is(await statusOf(one), 'RUNNING');
});

test('`releaseCapacity()` in an activity of a workflow releases while it goes on', async (t) => {
  const one = await start('holdsReleased');
  await released(one.slot);
  t.is(await statusOf(one), 'RUNNING');
  one.letGo();
  await resultOf(one);
});

test('`call.releaseCapacity()` in an activity route releases while it goes on', async (t) => {
  const one = await startRoute('payReleased');
  await released(one.slot);
  t.is(await statusOf(one), 'RUNNING');
  one.letGo();
  await resultOf(one);
});

test("an activity route's record runs under its slot, and is released at its end", async (t) => {
  const one = await startRoute('pay');
  const before = await running(one.slot);
  t.false(before.some((report) => tells(report, 'released', one.slot)));
  one.letGo();
  const after = await released(one.slot);
  const { responses, waits } = after.at(-1)!;
  t.true(responses.count > 0 && responses.sumMs > 0);
  t.true(waits.count > 0);
});

test('a long timer releases', async (t) => {
  const one = await start('sleeps', []);
  await released(one.slot);
  t.is(await statusOf(one), 'RUNNING');
});

test('waiting for a child releases, and one that is left to itself does not', async (t) => {
  const one = await start('asks', []);
  await released(one.slot);
  t.is(await statusOf(one), 'RUNNING');
  const other = await start('leaves', []);
  const later = await start('asks', []);
  await released(later.slot);
  t.false(await isReleased(other.slot));
  await scene.client.workflow.getHandle(other.workflowId).signal('go');
  await released(other.slot);
});

test('a time-out around an activity, and a child beside one, do not release', async (t) => {
  for (const workflow of ['holdsWithin', 'holdsBesideAChild']) {
    const one = await start(workflow);
    await running(one.slot);
    t.false(await isReleased(one.slot), workflow);
    one.letGo();
    await released(one.slot);
  }
});

test('a long wait for the next attempt releases, and a short one does not', async (t) => {
  const one = await start('retriesLater', []);
  await released(one.slot);
  t.is(await statusOf(one), 'RUNNING');
  const other = await startRoute('payLater', { initialIntervalMs: 3_600_000 });
  await released(other.slot);
  t.is(await statusOf(other), 'RUNNING');
  const short = await start('failsOnce', []);
  await resultOf(short);
  await released(short.slot);
});

test('a run that continues as new releases, and the next one holds nothing', async (t) => {
  const one = await start('goesOn', [true]);
  await released(one.slot);
  const told = (await workerReports(scene.client, scene.taskQueue)).filter((report) =>
    tells(report, 'released', one.slot),
  ).length;
  await scene.client.workflow.getHandle(one.workflowId).signal('go');
  await resultOf(one);
  const later = await start('fails', []);
  const reports = await released(later.slot);
  t.is(reports.filter((report) => tells(report, 'released', one.slot)).length, told);
});

test("a report's values add up: a response for each record that ended, slots of both Workers, sequences that rise", async (t) => {
  const before = (await released((await start('fails', [])).slot)).at(-1)!;
  const three = await Promise.all([1, 2, 3].map(() => start('fails', [])));
  for (const { slot } of three) await released(slot);
  const reports = await workerReports(scene.client, scene.taskQueue);
  const last = reports.at(-1)!;
  for (const sum of ['responses', 'waits'] as const) {
    const { count, sumMs } = last[sum];
    t.true(count >= before[sum].count + 3, sum);
    t.true(Math.abs(sumMs / count) < 60_000, `${sum}: ${sumMs / count} ms, and no epoch's`);
  }
  t.deepEqual(last.slots.total, 200);
  t.true(last.slots.free <= 200);
  t.true(Math.abs(last.sentAt - Date.now()) < 60_000);
  const sequences = reports.map(({ sequence }) => sequence);
  t.deepEqual(
    sequences,
    [...sequences].sort((a, b) => a - b),
  );
  t.is(new Set(reports.map(({ worker }) => worker)).size, 1);
});

test('a worker that is killed says nothing more, and the one that finishes its record tells of it', async (t) => {
  await using own = await openScene();
  const first = own.worker('worker-1');
  await first.waitForOutput('polling');
  const one = await start('holds', undefined, own);
  const [report] = await running(one.slot, own);
  await first.kill();
  const second: StartedProcess = own.worker('worker-2');
  await until(() => workerReports(own.client, own.taskQueue), {
    what: 'a report of the second worker that the record runs there',
    accept: (reports) =>
      reports.some((other) => other.worker !== report!.worker && tells(other, 'running', one.slot)),
  });
  t.false(await isReleased(one.slot, own));
  one.letGo();
  const reports = await released(one.slot, own);
  const teller = reports.find((other) => tells(other, 'released', one.slot))!;
  t.not(teller.worker, report!.worker);
  t.false(reports.some(({ worker, ends }) => worker === report!.worker && ends));
  await second.term();
  const last = (await workerReports(own.client, own.taskQueue)).at(-1)!;
  t.like(last, { worker: teller.worker, ends: true, running: {}, others: 0 });
});

test("with `capacity.limit: 'off'` a worker tells nothing", async (t) => {
  await using own = await createScene({
    workflows: WORKFLOWS,
    activities: ACTIVITIES,
    routes: `[{ id: 'work', topic: TOPIC, workflow: 'holds' }]`,
    config: `capacity: { limit: 'off' },`,
  });
  const worker = own.worker();
  await worker.waitForOutput('polling');
  await own.client.workflow
    .execute('fails', {
      workflowId: unique('off'),
      taskQueue: own.taskQueue,
      memo: { slot: 'bridge.0:1' },
    })
    .catch(() => undefined);
  await worker.term();
  await t.throwsAsync(workerReports(own.client, own.taskQueue), { message: /not found/ });
  t.notRegex(worker.output, /unregistered external sink/);
});
