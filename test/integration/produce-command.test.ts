import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ProduceState } from '../../bridge/operate/produce/state-file.js';
import { startKtb, startProcess, type StartedProcess } from '../faults/process.js';
import { createTopic, readAll } from '../helpers/kafka.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const main = new URL('../../bridge/cli/main.ts', import.meta.url).pathname;

interface Scene extends Disposable {
  readonly topic: string;
  readonly brokers: readonly string[];
  readonly dir: string;
  readonly file: string;
  readonly state: string;
  write(lines: readonly string[]): void;
  loaded(): ProduceState;
  ktb(...args: string[]): StartedProcess;
  /** The file comes through a pipe. The pid is ktb's own. */
  piped(...args: string[]): StartedProcess;
}

async function createScene(partitions = 4): Promise<Scene> {
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('produced'), { partitions });
  const dir = mkdtempSync(join(tmpdir(), 'ktb-produce-'));
  const file = join(dir, 'orders.jsonl');
  const state = `${file}.${topic}.ktb.json`;
  const all = (args: readonly string[]): string[] => [
    'produce',
    topic,
    '--brokers',
    brokers.join(','),
    ...args,
  ];
  return {
    topic,
    brokers,
    dir,
    file,
    state,
    write: (lines) => writeFileSync(file, lines.map((line) => `${line}\n`).join('')),
    loaded: () => JSON.parse(readFileSync(state, 'utf8')) as ProduceState,
    ktb: (...args) => startKtb('ktb produce', all(args), { cwd: dir }),
    piped: (...args) => {
      const node = [process.execPath, '--import', import.meta.resolve('tsx'), main, ...all(args)];
      const words = node.map((one) => `'${one}'`).join(' ');
      return startProcess({
        name: 'ktb produce',
        command: 'bash',
        args: ['-c', `exec ${words} < <(cat '${file}')`],
        cwd: dir,
      });
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, n) =>
    JSON.stringify({ key: `k${(from + n) % 97}`, value: { n: from + n } }),
  );

/** The `n` of each record in the topic, and its idempotency key. */
async function inTopic({ brokers, topic }: Scene) {
  const records = await readAll(brokers, topic);
  return records.map(({ key, value, headers, partition, timestamp }) => ({
    key: key?.toString(),
    n: (JSON.parse(value!.toString()) as { n: number }).n,
    id: String(headers['idempotency-key']),
    partition,
    timestamp,
    headers,
  }));
}

const numbersOf = (records: readonly { readonly n: number }[]): number[] =>
  records.map(({ n }) => n).toSorted((a, b) => a - b);

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test('a file is sent, in order by key, each line under a key of its own', async (t) => {
  using scene = await createScene();
  scene.write([
    ...numbered(300),
    '',
    JSON.stringify({
      key: 'own',
      value: { n: 300 },
      headers: { 'idempotency-key': 'mine', tag: ['a', 'b'] },
      partition: 2,
      timestamp: 1_700_000_000_000,
    }),
  ]);
  const ktb = scene.ktb('--file', scene.file, '--json', '--header', 'source=a file');
  t.is((await ktb.exited).code, 0, ktb.output);
  t.like(JSON.parse(ktb.stdout), {
    topic: scene.topic,
    lines: 302,
    sent: 301,
    before: 0,
    skipped: 0,
    ended: true,
    state: scene.state,
  });
  const records = await inTopic(scene);
  t.deepEqual(numbersOf(records), upTo(301));
  t.is(new Set(records.map(({ id }) => id)).size, 301);
  const own = records.find(({ key }) => key === 'own')!;
  t.like(own, { id: 'mine', partition: 2, timestamp: 1_700_000_000_000 });
  t.deepEqual(String(own.headers['tag']), 'a,b');
  t.is(String(own.headers['source']), 'a file');
  for (const key of new Set(records.map((one) => one.key))) {
    const ofKey = records.filter((one) => one.key === key);
    t.is(new Set(ofKey.map(({ partition }) => partition)).size, 1);
    t.deepEqual(
      ofKey.map(({ n }) => n),
      numbersOf(ofKey),
    );
  }
  const again = scene.ktb('--file', scene.file);
  t.is((await again.exited).code, 0, again.output);
  t.regex(again.stdout, / {7}0 {2}sent, of 302 lines\n {5}301 {2}sent by earlier runs/);
  scene.write([...readFileSync(scene.file, 'utf8').trimEnd().split('\n'), ...numbered(5, 301)]);
  t.is((await scene.ktb('--file', scene.file).exited).code, 0);
  t.deepEqual(numbersOf(await inTopic(scene)), upTo(306), 'what was added to the file, and no more');
});

test('a pipe of values is sent, with the key from a field', async (t) => {
  using scene = await createScene();
  scene.write(upTo(50).map((n) => JSON.stringify({ n, order: { id: `o${n}` } })));
  const ktb = scene.piped('--raw', '--key-field', '/order/id');
  t.is((await ktb.exited).code, 0, ktb.output);
  const records = await inTopic(scene);
  t.deepEqual(numbersOf(records), upTo(50));
  t.true(records.every(({ key, n }) => key === `o${n}`));
});

for (const [how, kills] of [
  ['file', 4],
  ['pipe', 2],
] as const)
  test(`a ${how} whose sending was killed is gone on with: nothing is lost, nothing sent again`, async (t) => {
    using scene = await createScene();
    const count = 40_000;
    scene.write(numbered(count));
    const start = () =>
      how === 'file'
        ? scene.ktb('--file', scene.file, '--rate', '8000')
        : scene.piped('--resume', scene.state, '--rate', '8000');
    let inTheMiddle = 0;
    for (let round = 0; round < kills; round++) {
      const before = existsSync(scene.state) ? scene.loaded().lines : 0;
      const ktb = start();
      await until(() => !ktb.running || (existsSync(scene.state) && scene.loaded().lines > before), {
        what: 'some of it to be sent',
        everyMs: 5,
      });
      await new Promise((later) => setTimeout(later, Math.random() * 300)); // anywhere between two saves
      await ktb.kill();
      const { lines, head } = scene.loaded();
      if (head > lines && lines < count) inTheMiddle++;
    }
    const last = start();
    t.is((await last.exited).code, 0, last.output);
    const records = await inTopic(scene);
    t.is(records.length, count, `${inTheMiddle} kills in the middle; ${last.stdout}`);
    t.deepEqual(numbersOf(records), upTo(count));
    t.true(inTheMiddle > 0);
    t.is(new Set(records.map(({ id }) => id.split(':')[0])).size, 1, 'one run');
    t.log(`${inTheMiddle} of ${kills} kills came in the middle; ${last.stdout.trim()}`);
  });

test('what was acknowledged and not noted is found in the topic, also under keys of its own', async (t) => {
  using scene = await createScene();
  const own = (n: number): string =>
    JSON.stringify({
      key: 'k',
      value: { n },
      headers: { 'idempotency-key': n % 2 ? 'the same' : `own-${n}` },
    });
  scene.write([...numbered(200), ...upTo(100).map((n) => own(200 + n)), own(200), own(201)]);
  const first = scene.ktb('--file', scene.file);
  t.is((await first.exited).code, 0, first.output);
  const whole = await inTopic(scene);
  // As it stood on the disk when the first line was about to be sent.
  const state: ProduceState = {
    ...scene.loaded(),
    lines: 0,
    sha256: '',
    ahead: {},
    head: 1,
    positions: {},
    sent: 0,
    ended: false,
  };
  writeFileSync(scene.state, JSON.stringify(state));
  const again = scene.ktb('--file', scene.file, '--json');
  t.is((await again.exited).code, 0, again.output);
  t.like(JSON.parse(again.stdout), { sent: 0, before: 302, found: 302, ended: true });
  t.is((await inTopic(scene)).length, whole.length);
});

test('Ctrl-C ends it in order, and says how it goes on', async (t) => {
  using scene = await createScene();
  scene.write(numbered(3_000));
  const ktb = scene.ktb('--file', scene.file, '--rate', '500');
  await until(() => existsSync(scene.state) && scene.loaded().lines > 100, { what: 'some to be sent' });
  ktb.signal('SIGINT');
  t.is((await ktb.exited).code, 130, ktb.output);
  t.regex(ktb.stderr, /The same command goes on from there: .*orders\.jsonl/);
  const { lines, sent } = scene.loaded();
  const there = await inTopic(scene);
  t.is(there.length, sent);
  t.is(lines, sent, 'what was under way was waited for');
  t.true(lines < 3_000);
  const rest = scene.ktb('--file', scene.file);
  t.is((await rest.exited).code, 0, rest.output);
  t.deepEqual(numbersOf(await inTopic(scene)), upTo(3_000));
});

test('the first bad line ends it, with its number; mended, or left out by name, it goes on', async (t) => {
  using scene = await createScene();
  scene.write([...numbered(10), '{"value":', ...numbered(10, 10), 'no JSON']);
  const stopped = scene.ktb('--file', scene.file);
  t.is((await stopped.exited).code, 1);
  t.regex(stopped.stderr, /KTB_RECORD: .*orders\.jsonl, line 11: Expected the line to be JSON/);
  t.deepEqual(numbersOf(await inTopic(scene)), upTo(10));
  const left = scene.ktb('--file', scene.file, '--skip-bad', '--json');
  t.is((await left.exited).code, 3);
  t.regex(left.stderr, /line 11 is left out: .*\n(.*\n)*.*line 22 is left out/);
  t.like(JSON.parse(left.stdout), { sent: 10, before: 10, skipped: 2, ended: true });
  t.deepEqual(numbersOf(await inTopic(scene)), upTo(20));
});

test('what Kafka refuses ends it, with its line, and stands in no other topic', async (t) => {
  using scene = await createScene();
  const large = JSON.stringify({ value: { n: 1, x: randomBytes(1_500_000).toString('base64') } });
  scene.write([...numbered(1), large, ...numbered(1, 2)]);
  const stopped = scene.ktb('--file', scene.file);
  t.is((await stopped.exited).code, 1);
  t.regex(stopped.stderr, /KTB_NOT_DELIVERED: .*orders\.jsonl, line 2: The record was not sent/);
  const left = scene.ktb('--file', scene.file, '--skip-bad');
  t.is((await left.exited).code, 3, left.output);
  t.deepEqual(numbersOf(await inTopic(scene)), [0, 2]);
});

test('another file, another topic and another process are told from what was sent', async (t) => {
  using scene = await createScene();
  scene.write(numbered(20));
  t.is((await scene.ktb('--file', scene.file).exited).code, 0);
  scene.write(numbered(20, 1));
  const other = scene.ktb('--file', scene.file);
  t.is((await other.exited).code, 1);
  t.regex(other.stderr, /KTB_STATE: .*the 20 lines that were sent, got other ones.*--restart/);
  scene.write(numbered(10));
  const shorter = scene.ktb('--file', scene.file);
  t.is((await shorter.exited).code, 1);
  t.regex(shorter.stderr, /at least 20 lines, got 10/);
  copyFileSync(scene.state, `${scene.dir}/other.json`);
  const { brokers } = scene;
  const elsewhere = await createTopic(brokers, unique('produced'));
  const args = ['--brokers', brokers.join(','), '--file', scene.file, '--resume', `${scene.dir}/other.json`];
  const moved = startKtb('ktb produce', ['produce', elsewhere, ...args]);
  t.is((await moved.exited).code, 1);
  t.regex(moved.stderr, new RegExp(`of the topic ${elsewhere}, got one of ${scene.topic}`));
  t.is((await inTopic(scene)).length, 20);
  const anew = scene.ktb('--file', scene.file, '--restart');
  t.is((await anew.exited).code, 0, anew.output);
  const records = await inTopic(scene);
  t.is(records.length, 30);
  t.is(new Set(records.map(({ id }) => id)).size, 30, 'under new keys');
});

test('a topic that is not there is not made, and no other one either', async (t) => {
  using scene = await createScene();
  scene.write(numbered(1));
  const args = ['--brokers', scene.brokers.join(','), '--file', scene.file];
  const ktb = startKtb('ktb produce', ['produce', 'nobody-made-it', ...args]);
  t.is((await ktb.exited).code, 2);
  t.regex(ktb.stderr, /KTB_USAGE: Expected a topic that exists, got "nobody-made-it"/);
});
