import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { createBridgeClient, loadConfig } from '../../bridge/index.js';
import type { BridgeClient, RecordStatus } from '../../bridge/index.js';
import { registerSearchAttributes } from '../../bridge/operate/setup.js';
import { createScene, type Scene } from '../faults/scene.js';
import type { StartedProcess } from '../faults/process.js';
import { startKtb } from '../faults/process.js';
import { historyOf } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const WORKFLOWS = `
import { condition, proxyActivities } from '@temporalio/workflow';
const { handle, step } = proxyActivities({ startToCloseTimeout: '30s', retry: { initialInterval: '100ms', maximumAttempts: 2 } });
export async function twoSteps(event, record) { return (await step(record)) + ', ' + (await handle(event, record)); }
export async function waits() { await condition(() => false); }
`;

/** One project: steps that fail until a file is there, and a decoder that can be mended likewise. */
let scene: Scene;
let client: BridgeClient;
let mendedFile: string;

test.before(async () => {
  scene = await createScene({
    partitions: 2,
    preamble: `import { existsSync } from 'node:fs';`,
    routes: `[
      { id: 'steps', topic: TOPIC, eventType: 'steps', workflow: 'twoSteps' },
      { id: 'call', topic: TOPIC, eventType: 'call', activity: 'handle', retry: { maximumAttempts: 2, initialIntervalMs: 50 } },
      { id: 'slow', topic: TOPIC, eventType: 'slow', activity: 'slow', retry: { initialIntervalMs: 60000 } },
      { id: 'timed', topic: TOPIC, eventType: 'timed', workflow: 'waits', options: { workflowRunTimeout: '2s' } },
      { id: 'keyed', topic: TOPIC, eventType: 'keyed', activity: 'handle', key: '/id' },
      { id: 'decoded', topic: TOPIC, eventType: 'decoded', activity: 'handle',
        decoder: (value) => { if (!existsSync(process.env.KTB_HANDLERS_RECORD + '.mended')) throw new Error('the decoder is broken'); return JSON.parse(value.toString()); } },
    ]`,
    workflows: WORKFLOWS,
    activities: `
import { existsSync, appendFileSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
const mended = () => existsSync(process.env.KTB_HANDLERS_RECORD + '.mended');
const note = (line) => appendFileSync(process.env.KTB_HANDLERS_RECORD + '.calls', line + '\\n');
export async function step(record) { note('step ' + record.idempotencyKey); return 'first'; }
export async function handle(event, record) {
  note('handle ' + record.idempotencyKey);
  if (event?.fine !== true && !mended()) throw ApplicationFailure.nonRetryable('the cause of ' + record.idempotencyKey + ' is not mended', 'NotMended');
  return 'handled ' + record.idempotencyKey + ' ' + JSON.stringify(event);
}
export async function slow() { throw new Error('not this time'); }
`,
  });
  mendedFile = join(scene.project.dir, 'handlers.jsonl.mended');
  const config = await loadConfig({ file: scene.project.configPath, env: { KTB_UI_URL: 'http://ui.test' } });
  await registerSearchAttributes(config.temporal);
  client = createBridgeClient(config);
  scene.worker();
  scene.bridge();
  await scene.produce([
    typed('s1', 'steps'),
    typed('s2', 'steps'),
    typed('c1', 'call'),
    typed('c2', 'call'),
    typed('fine', 'call', { fine: true }),
    typed('slow', 'slow'),
    typed('t1', 'timed'),
    { ...typed('-', 'keyed', { id: 'k1', fine: true }) },
    typed('d1', 'decoded'),
    typed('d2', 'decoded'),
    typed('d3', 'decoded'),
    typed('fine', 'call', { fine: true, another: 'value' }),
  ]);
  await until(async () => (await scene.executions('ExecutionStatus IN ("Failed", "TimedOut")')).length, {
    what: 'five dead letters, three that could not be decoded, and a conflict',
    accept: (count) => count === 9,
  });
});

test.after.always(async () => {
  await client?.close();
  await scene?.[Symbol.asyncDispose]();
});

const typed = (key: string, type: string, event: object = {}) => ({
  partition: 0,
  key,
  value: JSON.stringify(event),
  headers: { 'idempotency-key': key, 'event-type': type },
});

/** `ktb` with the scene's config; no terminal. */
function ktb(...args: string[]): StartedProcess {
  return startKtb(`ktb ${args[0]}`, args, {
    config: scene.project.configPath,
    cwd: scene.project.dir,
    env: { ...scene.env, KTB_UI_URL: 'http://ui.test' },
  });
}

async function jsonOf(
  ...args: string[]
): Promise<{ code: number | null; lines: Record<string, unknown>[]; err: string }> {
  const process = ktb(...args, '--json');
  const { code } = await process.exited;
  const lines = process.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, lines, err: process.stderr };
}

test.serial('a key tells its state: running, completed, failed, quarantined, unknown', async (t) => {
  t.like(await client.status('fine'), {
    state: 'completed',
    route: 'call',
    workflowType: 'ktbActivityRoute',
    result: 'handled fine {"fine":true}',
    attempts: 1,
  });
  const failed = await client.status('s1');
  t.like(failed, {
    state: 'failed',
    key: 's1',
    route: 'steps',
    errorType: 'NotMended',
    reason: 'the cause of s1 is not mended',
  });
  t.true(failed.resetEvent! > 4, 'not the first task: the first step is not run again');
  t.like(await client.status('t1'), { state: 'failed', route: 'timed' });
  const quarantined = await client.status('d1');
  t.like(quarantined, { state: 'quarantined', workflowType: 'ktbQuarantine' });
  t.regex(quarantined.reason!, /the decoder is broken/);
  t.like(await client.status('nobody-knows'), { state: 'unknown', workflowId: undefined });
  const running = await until(() => client.status('slow'), {
    what: 'the slow one to wait for its second attempt',
    accept: ({ attempts }) => attempts === 2,
  });
  t.is(running.state, 'running');
  t.like(running.pendingActivities[0], {
    activityType: 'slow',
    attempt: 2,
    state: 'scheduled',
    lastFailure: 'not this time',
  });
  t.true(running.pendingActivities[0]!.nextAttemptAt! > Date.now() - 60_000);
});

test.serial(
  'a key of a route finds its record, without the prefix and the route that its workflow ID has',
  async (t) => {
    const status = await client.status('k1');
    t.like(status, { state: 'completed', workflowId: `${scene.name}:keyed/k1` });
  },
);

test.serial(
  'a place in the log (topic/partition/offset) tells the same, also of a record without a key, with its link and where it stands in Kafka',
  async (t) => {
    await scene.committedToEnd();
    const status = await client.status(`${scene.topic}/0/0`);
    t.like(status, { state: 'failed', key: 's1' });
    t.deepEqual(status.kafka, {
      topic: scene.topic,
      partition: 0,
      offset: '0',
      committed: true,
      inLog: true,
    });
    t.is(
      status.link,
      `http://ui.test/namespaces/default/workflows/${encodeURIComponent(`${scene.name}:s1`)}/${status.runId}/history`,
    );
    const nothing = await client.status(`${scene.topic}/0/4000`);
    t.like(nothing, { state: 'unknown' });
    t.deepEqual(nothing.kafka, {
      topic: scene.topic,
      partition: 0,
      offset: '4000',
      committed: false,
      inLog: false,
    });
  },
);

test.serial('a key that stands in quarantine too shows both: what was handled first', async (t) => {
  const status = await client.status('fine');
  t.is(status.state, 'completed');
  t.like(status.others[0] as RecordStatus, { state: 'quarantined', workflowType: 'ktbQuarantine' });
  t.regex(status.others[0]!.reason!, /another value/);
});

test.serial(
  'dead letters are listed newest first, by route, type, reason and time, and grouped by reason',
  async (t) => {
    const keysOf = async (filter: Parameters<BridgeClient['failed']>[0]) => {
      const keys: (string | null)[] = [];
      for await (const letter of client.failed(filter)) keys.push(letter.key);
      return keys;
    };
    const all = [];
    for await (const letter of client.failed()) all.push(letter);
    t.deepEqual(sorted(all.map((letter) => letter.key)), ['c1', 'c2', 's1', 's2', 't1']);
    t.deepEqual(
      all.map(({ failedAt }) => failedAt),
      all.map(({ failedAt }) => failedAt).toSorted((a, b) => b - a),
    );
    t.deepEqual(sorted(await keysOf({ route: 'call' })), ['c1', 'c2']);
    t.deepEqual(sorted(await keysOf({ workflowType: 'twoSteps' })), ['s1', 's2']);
    t.deepEqual(await keysOf({ reason: 'CAUSE OF S1' }), ['s1']);
    t.deepEqual(await keysOf({ since: Date.now() + 60_000 }), []);
    t.is((await keysOf({ limit: 2 })).length, 2);
    const [first, second] = await client.failedByReason();
    t.like(first, { count: 4, routes: first!.routes });
    t.regex(first!.reason, /^NotMended: the cause of … is not mended$/);
    t.is(second!.count, 1);
  },
);

test.serial(
  '`ktb status`, `failed` and `quarantine list` print what the library gives, a JSON object a line, and end with codes that scripts can use',
  async (t) => {
    const status = await jsonOf('status', 's1', 'nobody-knows');
    t.is(status.code, 1, 'one is unknown');
    t.deepEqual(
      status.lines.map((line) => line['state']),
      ['failed', 'unknown'],
    );
    const failed = await jsonOf('failed', '--route', 'call');
    t.is(failed.code, 3);
    t.deepEqual(sorted(failed.lines.map((line) => line['key'])), ['c1', 'c2']);
    const groups = await jsonOf('failed', '--by', 'reason');
    t.is(groups.lines[0]!['count'], 4);
    const quarantined = await jsonOf('quarantine', 'list', '--cause', 'undecodable');
    t.is(quarantined.code, 3);
    t.is(quarantined.lines.length, 3);
    const people = ktb('failed');
    t.is((await people.exited).code, 3);
    t.regex(people.stdout, /^FAILED \(UTC\) +KEY +ROUTE +STATUS +REASON\n/);
    // oxlint-disable-next-line no-control-regex
    t.notRegex(people.stdout, /\u001b/, 'no colours in a pipe');
  },
);

test.serial(
  'without a terminal and without --yes a replay changes nothing and says what it would have asked',
  async (t) => {
    const process = ktb('replay', '--route', 'call');
    t.is((await process.exited).code, 2);
    t.regex(process.stderr, /KTB_USAGE: Expected `--yes`.*Replay 2 records\?/);
    t.is((await client.status('c1')).state, 'failed');
  },
);

test.serial('a dry run of a replay names the event of each, and changes nothing', async (t) => {
  const { lines, code } = await jsonOf('replay', '--reason', 'not mended', '--dry-run');
  t.is(code, 0);
  t.is(lines.length, 4);
  t.true(lines.every((line) => line['readiness'] === 'ready' && Number(line['eventId']) >= 4));
  t.is((await client.status('s1')).state, 'failed');
});

test.serial(
  'what failed again after a replay is said, with its reason, and ends with exit code 1',
  async (t) => {
    const process = ktb('replay', 'c1', '--yes', '--wait');
    t.is((await process.exited).code, 1);
    t.regex(process.stdout, /1 {2}failed\n/);
    t.regex(process.stdout, /c1: failed: the cause of c1 is not mended/);
  },
);

test.serial(
  'changed code that no longer fits a history is said before the reset, and `--from start` runs all of it',
  async (t) => {
    const file = join(scene.project.dir, 'workflows/index.ts');
    t.true(existsSync(file));
    // The step that came second comes first: histories of yesterday can't go on with it.
    scene.project.write(
      'workflows/index.ts',
      `
import { proxyActivities } from '@temporalio/workflow';
const { handle, step } = proxyActivities({ startToCloseTimeout: '30s', retry: { initialInterval: '100ms', maximumAttempts: 2 } });
export async function twoSteps(event, record) { return (await handle(event, record)) + ', ' + (await step(record)); }
export async function waits() { await new Promise(() => undefined); }
`,
    );
    const report = await client.replay({ keys: ['s1'] }, { dryRun: true });
    t.is(report.ready, 0);
    t.is(report.entries[0]!.readiness, 'changed');
    t.regex(report.entries[0]!.message!, /--from start/);
    const unchecked = await client.replay({ keys: ['s1'] }, { dryRun: true, check: false });
    t.is(unchecked.ready, 1);
    const fromStart = await client.replay({ keys: ['s1'] }, { dryRun: true, from: 'start' });
    t.like(fromStart.entries[0], { readiness: 'ready', eventId: 4 });
    scene.project.write('workflows/index.ts', WORKFLOWS);
    t.is((await client.replay({ keys: ['s1'] }, { dryRun: true })).ready, 1);
  },
);

test.serial('mended: `ktb replay` runs the failing step again, and none that had finished', async (t) => {
  writeFileSync(mendedFile, '');
  const before = callsOf('step s1');
  const process = ktb('replay', 's1', '--yes', '--wait');
  t.is((await process.exited).code, 0, process.output);
  t.regex(process.stdout, /1 {2}completed/);
  t.is((await client.status('s1')).result, 'first, handled s1 {}');
  t.is(callsOf('step s1'), before, 'the first step did not run again');
  const history = await historyOf(scene.client, `${scene.name}:s1`);
  const reasons = (history.events ?? []).map(
    (event) => event.workflowTaskFailedEventAttributes?.failure?.message ?? '',
  );
  t.true(
    reasons.some((reason) => reason.includes('ktb replay by')),
    'who stands in the history',
  );
});

test.serial(
  '`--from start` runs all of it again; keys come from a pipe too, and what is no dead letter is said',
  async (t) => {
    const before = callsOf('step s2');
    const report = await client.replay(
      { keys: ['s2', 'fine', 'nobody-knows'] },
      { from: 'start', waitMs: 180_000 },
    );
    t.deepEqual(report.notFound, ['fine', 'nobody-knows']);
    t.deepEqual(
      report.replayed.map(({ state }) => state),
      ['completed'],
    );
    t.is(callsOf('step s2'), before + 1);
  },
);

test.serial('a filter replays all that match it, and a second time finds nothing', async (t) => {
  const report = await client.replay({ reason: 'not mended' }, { waitMs: 180_000, perSecond: 50 });
  t.deepEqual(sorted(report.entries.map(({ letter }) => letter.key)), ['c1', 'c2']);
  t.true(report.replayed.every(({ state }) => state === 'completed'));
  t.is((await client.replay({ reason: 'not mended' })).entries.length, 0);
});

test.serial(
  'a record in quarantine is shown with its bytes, and sent through when the decoder is mended',
  async (t) => {
    const detail = await client.quarantine.show('d1');
    t.like(detail, { cause: 'undecodable', state: 'waiting' });
    t.is(Buffer.from(detail.input.raw!.value!, 'base64').toString(), '{}');
    const process = ktb('quarantine', 'retry', 'd1', '--yes', '--wait');
    t.is((await process.exited).code, 0, process.output);
    t.is(
      (await until(() => client.status('d1'), { what: 'd1', accept: ({ state }) => state === 'completed' }))
        .result,
      'handled d1 {}',
    );
  },
);

test.serial('a record in quarantine is dropped, with who and why in its history', async (t) => {
  const process = ktb(
    'quarantine',
    'resolve',
    'd2',
    '--drop',
    '--why',
    'ticket 812',
    '--who',
    'ann',
    '--yes',
  );
  t.is((await process.exited).code, 0, process.output);
  const detail = await until(() => client.quarantine.show(`${scene.topic}/0/9`), {
    what: 'it to be through',
    accept: ({ state }) => state === 'through',
  });
  t.deepEqual(detail.decision, { who: 'ann', why: 'ticket 812', action: 'drop' });
  t.is(callsOf('handle d2'), 0);
  t.is((await client.status('d2')).state, 'completed');
  const again = ktb('quarantine', 'resolve', 'd2', '--drop', '--why', 'x', '--yes');
  t.is((await again.exited).code, 2);
  t.regex(again.stderr, /has gone through/);
});

test.serial(
  'a conflict is started under another key, and another value takes the place of one',
  async (t) => {
    const conflict = (await client.status('fine')).others[0]!;
    await client.quarantine.resolve(
      conflict.workflowId!,
      { action: 'startAs', key: 'fine-too' },
      { why: 'both count' },
    );
    const started = await until(() => client.status('fine-too'), {
      what: 'it to be handled',
      accept: ({ state }) => state === 'completed',
    });
    t.is(started.result, 'handled fine-too {"fine":true,"another":"value"}');
    await client.quarantine.resolve(
      'd3',
      { action: 'replaceValue', value: Buffer.from('{"mended":true}') },
      { why: 'a typo' },
    );
    const replaced = await until(() => client.status('d3'), {
      what: 'd3',
      accept: ({ state }) => state === 'completed',
    });
    t.is(replaced.result, 'handled d3 {"mended":true}');
  },
);

test.serial(
  'a stretch of a topic is handled again on purpose: a dry run counts, the same generation again starts nothing',
  async (t) => {
    const range = [
      'reprocess',
      scene.topic,
      '--from',
      '2',
      '--to',
      '5',
      '--partition',
      '0',
      '--generation',
      '2',
    ];
    const dry = await jsonOf(...range, '--dry-run');
    t.is(dry.code, 0, dry.err);
    t.like(dry.lines[0]!['outcomes'], { started: 3, quarantined: 0 });
    t.is((await client.status('c1~g2')).state, 'unknown');
    const done = await jsonOf(...range, '--yes');
    t.like(done.lines[0]!['outcomes'], { started: 3 });
    for (const name of ['c1', 'c2', 'fine'])
      t.regex(
        String(
          (
            await until(() => client.status(`${name}~g2`), {
              what: name,
              accept: ({ state }) => state === 'completed',
            })
          ).result,
        ),
        new RegExp(`^handled ${name}~g2`),
      );
    const calls = callsOf('handle c1~g2');
    const again = await jsonOf(...range, '--yes');
    t.like(again.lines[0]!['outcomes'], { started: 3 }, 'our own starts are met again');
    t.is(callsOf('handle c1~g2'), calls);
  },
);

function callsOf(line: string): number {
  const file = join(scene.project.dir, 'handlers.jsonl.calls');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  return lines.filter((one) => one === line).length;
}

function sorted(names: readonly unknown[]): string[] {
  return names.map(String).toSorted((a, b) => a.localeCompare(b));
}
