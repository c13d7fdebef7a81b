import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import test from 'ava';
import { createScene, type Scene } from '../faults/scene.js';
import { historyOf, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

/** One project for all tests of this file: a workflow route, an activity route, and a decoder that can be mended. */
const scenes: Scene[] = [];
let scene: Scene;
let mended: string;

test.before(async () => {
  scene = await createScene({
    partitions: 2,
    preamble: `import { existsSync } from 'node:fs';`,
    routes: `[
      { id: 'workflow', topic: TOPIC, eventType: 'workflow', workflow: 'twoSteps' },
      { id: 'activity', topic: TOPIC, eventType: 'activity', activity: 'handle', retry: { maximumAttempts: 2, initialIntervalMs: 50 } },
      { id: 'dying', topic: TOPIC, eventType: 'dying', activity: 'hangs', startToCloseTimeoutMs: 1000, retry: { maximumAttempts: 1 } },
      { id: 'decoded', topic: TOPIC, eventType: 'decoded', workflow: 'work',
        decoder: (value) => { if (!existsSync(process.env.KTB_HANDLERS_RECORD + '.mended')) throw new Error('the decoder is broken'); return JSON.parse(value.toString()); } },
    ]`,
    workflows: `
import { proxyActivities } from '@temporalio/workflow';
const { handle, step } = proxyActivities({ startToCloseTimeout: '30s', retry: { initialInterval: '100ms', maximumAttempts: 2 } });
export async function work(event, record) { return handle(event, record); }
export async function twoSteps(event, record) {
  const first = await step(record);
  return first + ', ' + await handle(event, record);
}
`,
    activities: `
import { existsSync, appendFileSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
const mended = () => existsSync(process.env.KTB_HANDLERS_RECORD + '.mended');
export async function step(record) { appendFileSync(process.env.KTB_HANDLERS_RECORD + '.steps', record.idempotencyKey + '\\n'); return 'first'; }
export async function handle(event, record) {
  if (!mended()) throw ApplicationFailure.nonRetryable('the cause is not mended', 'NotMended');
  return 'handled';
}
export async function hangs(event, record, call) {
  if (mended()) return 'handled';
  await new Promise(() => undefined);
}
`,
  });
  scenes.push(scene);
  mended = join(scene.project.dir, 'handlers.jsonl.mended');
  scene.worker();
  scene.bridge();
  await scene.produce([
    record('w1', 'workflow'),
    record('a1', 'activity'),
    record('a2', 'activity'),
    record('d1', 'dying'),
    record('d2', 'dying'),
    record('q1', 'decoded'),
    record('q2', 'decoded'),
  ]);
  await until(async () => (await scene.executions('ExecutionStatus = "Failed"')).length, {
    what: 'seven failed workflows',
    timeoutMs: 120_000,
    accept: (count) => count === 7,
  });
  writeFileSync(mended, '');
});

test.after.always(async () => {
  // KTB_RECORD_HISTORIES=<release> keeps what test/workflows/histories.test.ts replays.
  if (process.env['KTB_RECORD_HISTORIES']) await recordHistories(process.env['KTB_RECORD_HISTORIES']);
  for (const one of scenes) await one[Symbol.asyncDispose]();
});

function record(key: string, type: string) {
  return {
    partition: 0,
    key,
    value: JSON.stringify({ key }),
    headers: { 'idempotency-key': key, 'event-type': type },
  };
}

const failureOf = async (workflowId: string, runId?: string) => {
  const { events } = await historyOf(scene.client, workflowId, runId);
  return events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
};

/** The ends of workflow tasks: what the UI offers for a Reset. */
const resetPoints = async (workflowId: string): Promise<number[]> => {
  const { events } = await historyOf(scene.client, workflowId);
  return (events ?? [])
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map((event) => Number(event.eventId));
};

const idOf = (key: string) => `${scene.name}:${key}`;

const quarantineOf = async (offset: number) => {
  const found = await scene.executions(`WorkflowType = "ktbQuarantine"`);
  const one = found.find(({ workflowId }) => workflowId.includes(`/${scene.topic}/0/${offset}@`));
  if (!one)
    throw new Error(
      `Expected a quarantine of offset ${offset}, got ${found.map((it) => it.workflowId).join(', ')}`,
    );
  return one.workflowId;
};

test('a workflow route that fails for good is a failed workflow whose failure names the event to reset to, and no finished step runs again', async (t) => {
  const failure = await failureOf(idOf('w1'));
  const event = /\(replay: Reset to event (\d+)\)$/.exec(failure?.message ?? '')?.[1];
  t.truthy(event, `expected the event in ${failure?.message}`);
  const run = await resetTo(scene.client, idOf('w1'), Number(event));
  const result = await scene.client.workflow.getHandle(idOf('w1'), run).result();
  t.is(result, 'first, handled');
  const steps = readFileSync(join(scene.project.dir, 'handlers.jsonl.steps'), 'utf8')
    .split('\n')
    .filter((line) => line === 'w1');
  t.is(steps.length, 1, 'the first step ran once');
});

test("an activity route's dead letter replays at a Reset to the first event offered", async (t) => {
  const [first] = await resetPoints(idOf('a1'));
  const run = await resetTo(scene.client, idOf('a1'), first!);
  t.is(await scene.client.workflow.getHandle(idOf('a1'), run).result(), 'handled');
});

test("an activity route's dead letter replays at a Reset to the last event offered", async (t) => {
  const last = (await resetPoints(idOf('a2'))).at(-1);
  t.is((await failureOf(idOf('a2')))?.message, 'the cause is not mended', 'the list shows the reason itself');
  const run = await resetTo(scene.client, idOf('a2'), last!);
  t.is(await scene.client.workflow.getHandle(idOf('a2'), run).result(), 'handled');
});

test('a time-out, of which no process could say in which run it was, replays at a Reset to the first and to the last event', async (t) => {
  const [first] = await resetPoints(idOf('d1'));
  const firstRun = await resetTo(scene.client, idOf('d1'), first!);
  t.is(await scene.client.workflow.getHandle(idOf('d1'), firstRun).result(), 'handled');
  const last = (await resetPoints(idOf('d2'))).at(-1);
  const lastRun = await resetTo(scene.client, idOf('d2'), last!);
  t.is(await scene.client.workflow.getHandle(idOf('d2'), lastRun).result(), 'handled');
});

test('a quarantined record fails with the reason, and goes through at a Reset to any event once the decoder is mended', async (t) => {
  const ids = [await quarantineOf(5), await quarantineOf(6)];
  const failure = await failureOf(ids[0]!);
  t.regex(failure?.message ?? '', /the decoder is broken/);
  for (const [index, workflowId] of ids.entries()) {
    const points = await resetPoints(workflowId);
    const run = await resetTo(scene.client, workflowId, index === 0 ? points[0]! : points.at(-1)!);
    const result = (await scene.client.workflow.getHandle(workflowId, run).result()) as {
      outcome: string;
      workflowId: string;
    };
    t.is(result.outcome, 'started');
    t.is(result.workflowId, idOf(index === 0 ? 'q1' : 'q2'));
    t.is(await scene.client.workflow.getHandle(result.workflowId).result(), 'handled');
  }
});

test('a key that was handled and reset is still a duplicate, and another value still a conflict', async (t) => {
  // Its own test record: the others' executions are being reset by the tests beside it.
  const key = 'reset-me';
  await scene.produce([record(key, 'activity')]);
  const handle = scene.client.workflow.getHandle(idOf(key));
  await until(async () => (await handle.describe().catch(() => undefined))?.status.name, {
    what: 'the first run to complete',
    accept: (status) => status === 'COMPLETED',
  });
  await resetTo(scene.client, idOf(key), (await resetPoints(idOf(key))).at(-1)!);
  await handle.result();
  const [same, other] = await scene.produce([
    record(key, 'activity'),
    { ...record(key, 'activity'), value: '{"key":"other"}' },
  ]);
  await scene.committedToEnd();
  const conflict = await until(() => quarantineOf(Number(other!.offset)), {
    what: 'the conflict in quarantine',
  }).catch(() => undefined);
  t.truthy(conflict);
  await t.throwsAsync(() => quarantineOf(Number(same!.offset)), { message: /Expected a quarantine/ });
  t.is((await scene.executions(`WorkflowId = "${idOf(key)}"`)).length, 2, 'the run and its Reset, no third');
});

async function recordHistories(release: string): Promise<void> {
  const folder = new URL(`../histories/${release}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  const own = (await scene.executions()).filter(({ type }) => type.startsWith('ktb'));
  for (const [index, { workflowId, runId, type, status }] of own.entries()) {
    const history = await historyOf(scene.client, workflowId, runId);
    const file = new URL(`${type}-${status.name.toLowerCase()}-${index}.json`, folder);
    writeFileSync(file, `${historyToJSON(history as never)}\n`);
  }
}
