import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import test from 'ava';
import { createBridgeClient, loadConfig, type BridgeClient } from '../../bridge/index.js';
import { createScene, type Scene } from '../faults/scene.js';
import { historyOf } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

/**
 * One project for all tests of this file. Its decoder refuses every record, and while the file `.away` is there it fails
 * as one does whose schema registry is away.
 */
let scene: Scene;
let client: BridgeClient;

const KEYS = ['dropped', 'renamed', 'replaced', 'twice', 'running', 'waiting'] as const;
type Key = (typeof KEYS)[number];

test.before(async () => {
  scene = await createScene({
    partitions: 1,
    preamble: `import { existsSync } from 'node:fs'; import { BridgeError } from 'kafka-temporal-bridge';`,
    routes: `[{ id: 'decoded', topic: TOPIC, activity: 'handle',
      decoder: (value) => {
        if (existsSync(process.env.KTB_HANDLERS_RECORD + '.away')) throw new BridgeError('KTB_RECORD', 'the registry is away', { retryable: true });
        if (!value.toString().startsWith('{')) throw new Error('it is broken');
        return JSON.parse(value.toString());
      } }]`,
    activities: `
import { appendFileSync } from 'node:fs';
export async function handle(event, record) {
  appendFileSync(process.env.KTB_HANDLERS_RECORD + '.calls', record.idempotencyKey + '\\n');
  return { key: record.idempotencyKey, event };
}
`,
  });
  client = createBridgeClient(await loadConfig({ file: scene.project.configPath, env: {} }));
  scene.worker();
  scene.bridge();
  await scene.produce(
    KEYS.map((key) => ({ partition: 0, key, value: `broken ${key}`, headers: { 'idempotency-key': key } })),
  );
  await until(async () => (await scene.executions('ExecutionStatus = "Failed"')).length, {
    what: 'all to stand in quarantine',
    accept: (count) => count === KEYS.length,
  });
});

test.after.always(async () => {
  // KTB_RECORD_HISTORIES=<release> keeps what test/workflows/histories.test.ts replays.
  if (process.env['KTB_RECORD_HISTORIES']) await recordHistories(process.env['KTB_RECORD_HISTORIES']);
  await client?.close();
  await scene?.[Symbol.asyncDispose]();
});

const placeOf = (key: Key) => `${scene.topic}/0/${KEYS.indexOf(key)}`;

/** How it stands there, once it is through. */
const through = (key: Key) =>
  until(() => client.quarantine.show(placeOf(key)), {
    what: `${key} to be through`,
    accept: ({ state }) => state === 'through',
  });

const handled = (key: string) =>
  until(() => client.status(key), {
    what: `${key} to be handled`,
    accept: ({ state }) => state === 'completed',
  });

function callsOf(key: string): number {
  const file = join(scene.project.dir, 'handlers.jsonl.calls');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return lines.filter((line) => line === key).length;
}

const resultOf = async (key: Key) => {
  const { workflowId, runId } = await through(key);
  return (await scene.client.workflow.getHandle(workflowId, runId).result()) as { readonly outcome: string };
};

test.serial('a record that is dropped is not tried again', async (t) => {
  await client.quarantine.resolve(placeOf('dropped'), { action: 'drop' }, { who: 'ann', why: 'ticket 812' });
  t.like(await resultOf('dropped'), { outcome: 'dropped' });
  t.is(callsOf('dropped'), 0);
  const { workflowId, runId, decision } = await through('dropped');
  t.deepEqual(decision, { who: 'ann', why: 'ticket 812', action: 'drop' });
  const { events } = await historyOf(scene.client, workflowId, runId);
  t.false(events?.some((event) => event.activityTaskScheduledEventAttributes));
});

test.serial('a record is handled under another key only where its value can be taken', async (t) => {
  const decision = { who: 'ann', why: 'its key was wrong' };
  await client.quarantine.resolve(placeOf('renamed'), { action: 'startAs', key: 'renamed-too' }, decision);
  const still = await until(() => client.quarantine.show(placeOf('renamed')), {
    what: 'it to fail again',
    accept: ({ state, decision }) => state === 'waiting' && decision !== undefined,
  });
  t.regex(still.reason, /it is broken/);
  t.is(callsOf('renamed-too'), 0);
});

test.serial('a record is handled with another value, once', async (t) => {
  const value = Buffer.from('{"mended":true}');
  await client.quarantine.resolve(placeOf('replaced'), { action: 'replaceValue', value }, { why: 'a typo' });
  t.like(await resultOf('replaced'), { outcome: 'started' });
  t.deepEqual((await handled('replaced')).result, { key: 'replaced', event: { mended: true } });
  t.is(callsOf('replaced'), 1);
});

test.serial('of two decisions the last one counts', async (t) => {
  const who = 'ann';
  await client.quarantine.resolve(
    placeOf('twice'),
    { action: 'startAs', key: 'never' },
    { who, why: 'first' },
  );
  await until(() => client.quarantine.show(placeOf('twice')), {
    what: 'the first one to have been of no help',
    accept: ({ state, decision }) => state === 'waiting' && decision !== undefined,
  });
  const value = Buffer.from('{"second":true}');
  await client.quarantine.resolve(
    placeOf('twice'),
    { action: 'replaceValue', value },
    { who, why: 'second' },
  );
  t.is((await through('twice')).decision?.why, 'second');
  t.deepEqual((await handled('twice')).result, { key: 'twice', event: { second: true } });
  t.is(callsOf('never'), 0);
});

test.serial('a decision reaches one that is being tried, and ends the trying', async (t) => {
  const away = join(scene.project.dir, 'handlers.jsonl.away');
  writeFileSync(away, '');
  await client.quarantine.retry([placeOf('running')]);
  const { workflowId } = await client.quarantine.show(placeOf('running'));
  const running = await until(() => client.status(workflowId), {
    what: 'a second attempt to be waited for',
    accept: ({ attempts, pendingActivities }) => pendingActivities.length > 0 && attempts! >= 2,
  });
  t.regex(running.pendingActivities[0]?.lastFailure ?? '', /the registry is away/);
  const result = await client.quarantine.resolve(
    placeOf('running'),
    { action: 'drop' },
    { why: 'of no use' },
  );
  t.not(result.runId, running.runId);
  t.is(
    (await scene.client.workflow.getHandle(workflowId, running.runId!).describe()).status.name,
    'TERMINATED',
  );
  t.like(await resultOf('running'), { outcome: 'dropped' });
  t.is(callsOf('running'), 0);
  rmSync(away);
});

test.serial('without a decision it is tried again, and stands there with the reason', async (t) => {
  const { replayed } = await client.quarantine.retry([placeOf('waiting')], { waitMs: 180_000 });
  t.like(replayed[0], { state: 'failed' });
  t.regex(replayed[0]?.reason ?? '', /it is broken/);
  t.deepEqual((await client.quarantine.show(placeOf('waiting'))).decision, undefined);
});

async function recordHistories(release: string): Promise<void> {
  const folder = new URL(`../histories/${release}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const key of KEYS) {
    const { workflowId, runId } = await client.quarantine.show(placeOf(key));
    const history = await historyOf(scene.client, workflowId, runId);
    const file = new URL(`ktbQuarantine-decided-${key}.json`, folder);
    writeFileSync(file, `${historyToJSON(history as never)}\n`);
  }
}
