import { mkdirSync, writeFileSync } from 'node:fs';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import test from 'ava';
import { createDeadLetterScene, type DeadLetterScene } from '../faults/dead-letter-scene.js';
import { historyOf, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

/** One project for all tests of this file. */
const scenes: DeadLetterScene[] = [];
let letters: DeadLetterScene;

test.before(async () => {
  letters = await createDeadLetterScene();
  scenes.push(letters);
  await letters.fail({
    w1: 'workflow',
    a1: 'activity',
    a2: 'activity',
    d1: 'dying',
    d2: 'dying',
    q1: 'decoded',
    q2: 'decoded',
  });
  letters.mend();
});

test.after.always(async () => {
  // KTB_RECORD_HISTORIES=<release> keeps what test/workflows/histories.test.ts replays.
  if (process.env['KTB_RECORD_HISTORIES']) await recordHistories(process.env['KTB_RECORD_HISTORIES']);
  for (const one of scenes) await one[Symbol.asyncDispose]();
});

/** The ends of workflow tasks: what the UI offers for a Reset. */
const resetPoints = async (workflowId: string): Promise<number[]> => {
  const { events } = await historyOf(letters.scene.client, workflowId);
  return (events ?? [])
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map((event) => Number(event.eventId));
};

test('a workflow route that fails for good is a failed workflow whose failure names the event to reset to, and no finished step runs again', async (t) => {
  const failure = await letters.failureOf(letters.idOf('w1'));
  const event = /\(replay: Reset to event (\d+)\)$/.exec(failure)?.[1];
  t.truthy(event, `expected the event in ${failure}`);
  const run = await resetTo(letters.scene.client, letters.idOf('w1'), Number(event));
  const result = await letters.scene.client.workflow.getHandle(letters.idOf('w1'), run).result();
  t.is(result, 'first, handled');
  t.is(letters.stepsOf('w1'), 1, 'the first step ran once');
});

test("an activity route's dead letter replays at a Reset to the first event offered", async (t) => {
  const [first] = await resetPoints(letters.idOf('a1'));
  const run = await resetTo(letters.scene.client, letters.idOf('a1'), first!);
  t.is(await letters.scene.client.workflow.getHandle(letters.idOf('a1'), run).result(), 'handled');
});

test("an activity route's dead letter replays at a Reset to the last event offered", async (t) => {
  const last = (await resetPoints(letters.idOf('a2'))).at(-1);
  t.is(
    await letters.failureOf(letters.idOf('a2')),
    'the cause is not mended',
    'the list shows the reason itself',
  );
  const run = await resetTo(letters.scene.client, letters.idOf('a2'), last!);
  t.is(await letters.scene.client.workflow.getHandle(letters.idOf('a2'), run).result(), 'handled');
});

test('a time-out, of which no process could say in which run it was, replays at a Reset to the first and to the last event', async (t) => {
  const [first] = await resetPoints(letters.idOf('d1'));
  const firstRun = await resetTo(letters.scene.client, letters.idOf('d1'), first!);
  t.is(await letters.scene.client.workflow.getHandle(letters.idOf('d1'), firstRun).result(), 'handled');
  const last = (await resetPoints(letters.idOf('d2'))).at(-1);
  const lastRun = await resetTo(letters.scene.client, letters.idOf('d2'), last!);
  t.is(await letters.scene.client.workflow.getHandle(letters.idOf('d2'), lastRun).result(), 'handled');
});

test('a quarantined record fails with the reason, and goes through at a Reset to any event once the decoder is mended', async (t) => {
  const ids = [await letters.quarantineOf(5), await letters.quarantineOf(6)];
  t.regex(await letters.failureOf(ids[0]!), /the decoder is broken/);
  for (const [index, workflowId] of ids.entries()) {
    const points = await resetPoints(workflowId);
    const run = await resetTo(letters.scene.client, workflowId, index === 0 ? points[0]! : points.at(-1)!);
    const result = (await letters.scene.client.workflow.getHandle(workflowId, run).result()) as {
      outcome: string;
      workflowId: string;
    };
    t.is(result.outcome, 'started');
    t.is(result.workflowId, letters.idOf(index === 0 ? 'q1' : 'q2'));
    t.is(await letters.scene.client.workflow.getHandle(result.workflowId).result(), 'handled');
  }
});

test('a key that was handled and reset is still a duplicate, and another value still a conflict', async (t) => {
  // Its own test record: the others' executions are being reset by the tests beside it.
  const key = 'reset-me';
  await letters.scene.produce([letters.record(key, 'activity')]);
  const handle = letters.scene.client.workflow.getHandle(letters.idOf(key));
  await until(async () => (await handle.describe().catch(() => undefined))?.status.name, {
    what: 'the first run to complete',
    accept: (status) => status === 'COMPLETED',
  });
  await resetTo(letters.scene.client, letters.idOf(key), (await resetPoints(letters.idOf(key))).at(-1)!);
  await handle.result();
  const [same, other] = await letters.scene.produce([
    letters.record(key, 'activity'),
    { ...letters.record(key, 'activity'), value: '{"key":"other"}' },
  ]);
  await letters.scene.committedToEnd();
  const conflict = await until(() => letters.quarantineOf(Number(other!.offset)), {
    what: 'the conflict in quarantine',
  }).catch(() => undefined);
  t.truthy(conflict);
  await t.throwsAsync(() => letters.quarantineOf(Number(same!.offset)), { message: /Expected a quarantine/ });
  t.is(
    (await letters.scene.executions(`WorkflowId = "${letters.idOf(key)}"`)).length,
    2,
    'the run and its Reset, no third',
  );
});

async function recordHistories(release: string): Promise<void> {
  const folder = new URL(`../histories/${release}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  const own = (await letters.scene.executions()).filter(({ type }) => type.startsWith('ktb'));
  for (const [index, { workflowId, runId, type, status }] of own.entries()) {
    const history = await historyOf(letters.scene.client, workflowId, runId);
    const file = new URL(`${type}-${status.name.toLowerCase()}-${index}.json`, folder);
    writeFileSync(file, `${historyToJSON(history as never)}\n`);
  }
}
