import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { StateFile, type ProduceState } from '../../../bridge/operate/produce/state-file.js';

function folder(): { path: string; [Symbol.dispose](): void } {
  const dir = mkdtempSync(join(tmpdir(), 'ktb-state-'));
  return {
    path: join(dir, 'state.json'),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

const STATE: ProduceState = {
  version: 1,
  topic: 'orders',
  run: 'run',
  lines: 3,
  sha256: 'abc',
  ahead: { 5: 'def' },
  head: 7,
  positions: { 0: '17' },
  sent: 4,
  skipped: 0,
  ended: false,
};

test('what was written is read again, also by another process', async (t) => {
  using at = folder();
  const first = await StateFile.open(at.path);
  t.is(await first.load(), undefined);
  await Promise.all([first.write({ ...STATE, lines: 1 }), first.write(STATE)]);
  await first.close();
  const second = await StateFile.open(at.path);
  t.deepEqual(await second.load(), STATE);
  await second.close();
});

test('it is used by one process at a time', async (t) => {
  using at = folder();
  const first = await StateFile.open(at.path);
  const error = await t.throwsAsync(StateFile.open(at.path));
  t.like(error, { code: 'KTB_STATE' });
  t.regex(error.message, /used by nobody else/);
  await first.close();
  await (await StateFile.open(at.path)).close();
});

test('a write that was torn leaves the state before it', async (t) => {
  using at = folder();
  const file = await StateFile.open(at.path);
  await file.write(STATE);
  writeFileSync(`${at.path}.new`, '{"version":1,"to');
  t.deepEqual(await file.load(), STATE);
  await file.write({ ...STATE, lines: 4 });
  t.is((JSON.parse(readFileSync(at.path, 'utf8')) as ProduceState).lines, 4);
  await file.close();
});

for (const [what, text] of [
  ['no JSON', '{'],
  ['something else', '{"name":"a package"}'],
  ['a version that is not known', JSON.stringify({ ...STATE, version: 2 })],
  ['places that are none', JSON.stringify({ ...STATE, positions: { 0: '-1' } })],
] as const)
  test(`a file that is ${what} is no state, and is left as it is`, async (t) => {
    using at = folder();
    writeFileSync(at.path, text);
    const file = await StateFile.open(at.path);
    const error = await t.throwsAsync(file.load());
    t.like(error, { code: 'KTB_STATE' });
    t.is(readFileSync(at.path, 'utf8'), text);
    await file.close();
  });

test('a disk that refuses it is said, with the path', async (t) => {
  using at = folder();
  const file = await StateFile.open(at.path);
  mkdirSync(`${at.path}.new`); // nothing can be written there now
  const error = await t.throwsAsync(file.write(STATE));
  t.like(error, { code: 'KTB_STATE' });
  t.true(error.message.includes(at.path));
  await file.close();
  await t.throwsAsync(StateFile.open(join(at.path, 'nowhere', 'state.json')), {
    message: /can't be used/,
  });
});
