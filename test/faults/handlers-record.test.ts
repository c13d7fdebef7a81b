import { appendFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { RecordInfo } from '../../workflows/contract.js';
import { handlersRecord, parseHandlersRecord, readHandlersRecord, valueHash } from './handlers-record.js';
import { startProcess } from './process.js';

function info(offset: number, idempotencyKey: string | null = `key-${offset}`): RecordInfo {
  return {
    topic: 'orders',
    partition: 0,
    offset: String(offset),
    key: null,
    headers: {},
    timestamp: 0,
    eventType: null,
    idempotencyKey,
  };
}

async function recordFile(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ktb-record-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return join(folder, 'run', 'handlers.jsonl');
}

test('a call is a begun line and an ended line', async (t) => {
  const file = await recordFile(t);
  const record = handlersRecord(file);
  t.is(await record.around({ total: 3 }, info(1), () => 'result'), 'result');
  record.close();
  const { calls, torn } = readHandlersRecord(file);
  t.is(torn, 0);
  t.is(calls.length, 1);
  t.like(calls[0], {
    key: 'key-1',
    outcome: 'ended',
    valueHash: valueHash({ total: 3 }),
    topic: 'orders',
    offset: '1',
  });
  t.is(calls[0]?.pid, process.pid);
});

test('a call that throws is a failed one, and throws on', async (t) => {
  const file = await recordFile(t);
  const record = handlersRecord(file);
  const fails = record.around({}, info(1), () => Promise.reject(new Error('no stock')));
  await t.throwsAsync(fails, { message: 'no stock' });
  t.like(readHandlersRecord(file).calls[0], { outcome: 'failed', error: 'no stock' });
});

test('a record without a key is known by its place', async (t) => {
  const file = await recordFile(t);
  await handlersRecord(file).around({}, info(9, null), () => {});
  t.deepEqual(readHandlersRecord(file).keys(), ['orders/0/9']);
});

test('a file that is not there yet holds no calls', (t) => {
  t.deepEqual(readHandlersRecord('/nowhere/handlers.jsonl').calls, []);
});

test('a torn last line costs that line only, and its call counts as cut', async (t) => {
  const file = await recordFile(t);
  const record = handlersRecord(file);
  await record.around({}, info(1), () => {});
  await record.around({}, info(2), () => {});
  const whole = readFileSync(file, 'utf8');
  const { calls, torn } = parseHandlersRecord(whole.slice(0, -20));
  t.is(torn, 1);
  t.deepEqual(
    calls.map(({ outcome }) => outcome),
    ['ended', 'cut'],
  );
});

test('what another process writes after a torn line is read', async (t) => {
  const file = await recordFile(t);
  const record = handlersRecord(file);
  await record.around({}, info(1), () => {});
  appendFileSync(file, '\n{"call":"x","phase":"beg');
  await record.around({}, info(2), () => {});
  const { calls, torn } = readHandlersRecord(file);
  t.is(torn, 1);
  t.deepEqual(
    calls.map(({ key, outcome }) => `${key} ${outcome}`),
    ['key-1 ended', 'key-2 ended'],
  );
});

test('calls of one key that overlap are found, those of two keys are not', async (t) => {
  const file = await recordFile(t);
  const record = handlersRecord(file);
  const nested = (outer: RecordInfo, inner: RecordInfo) =>
    record.around({}, outer, () => record.around({}, inner, () => {}));
  await nested(info(1), info(2));
  t.is(readHandlersRecord(file).overlaps().length, 0);
  await nested(info(3), info(3));
  const overlaps = readHandlersRecord(file).overlaps();
  t.is(overlaps.length, 1);
  t.is(overlaps[0]?.[0].key, 'key-3');
  t.is(readHandlersRecord(file).of('key-3').length, 2);
});

test('a killed process leaves a call that is cut', async (t) => {
  const file = await recordFile(t);
  const module = JSON.stringify(new URL('handlers-record.ts', import.meta.url).href);
  const script = `
    const { handlersRecord } = await import(${module});
    const record = handlersRecord(${JSON.stringify(file)});
    await record.around({}, ${JSON.stringify(info(1))}, () => {});
    await record.around({}, ${JSON.stringify(info(2))}, () => {
      console.log('in it');
      return new Promise((resolve) => setTimeout(resolve, 600_000));
    });`;
  const child = startProcess({
    name: 'worker',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script],
  });
  t.teardown(() => child.kill());
  await child.waitForOutput('in it');
  await child.kill();
  const { calls } = readHandlersRecord(file);
  t.deepEqual(
    calls.map(({ key, outcome }) => `${key} ${outcome}`),
    ['key-1 ended', 'key-2 cut'],
  );
  t.is(calls[1]?.pid, child.pid);
});
