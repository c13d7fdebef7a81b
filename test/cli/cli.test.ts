import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startKtb, type KtbOptions } from '../faults/process.js';
import { writeProject } from '../helpers/project.js';

async function ktb(args: readonly string[], options: KtbOptions = {}) {
  const it = startKtb('ktb', args, options);
  const { code } = await it.exited;
  return { code, stdout: it.stdout, stderr: it.stderr };
}

/** A folder with no config in it nor above it. */
function emptyFolder(): { dir: string; [Symbol.dispose](): void } {
  const dir = mkdtempSync(join(tmpdir(), 'ktb-cli-'));
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

const project = (config: string) =>
  writeProject({ config: `import { defineConfig } from 'kafka-temporal-bridge';\n${config}` });

test('--help names every command and gives examples', async (t) => {
  const { code, stdout, stderr } = await ktb(['--help']);
  t.is(code, 0);
  t.is(stderr, '');
  for (const command of ['bridge', 'worker', 'dev', 'setup', 'doctor'])
    t.regex(stdout, new RegExp(`^  ${command} `, 'm'));
  t.regex(stdout, /Examples:\n {2}ktb dev/);
  t.regex(stdout, /Exit codes: 0 done, 1 failed, 2 wrong use/);
});

for (const command of ['bridge', 'worker', 'dev', 'setup', 'doctor', 'produce', 'tail']) {
  test(`ktb ${command} --help gives examples`, async (t) => {
    const { code, stdout } = await ktb([command, '--help']);
    t.is(code, 0);
    t.regex(stdout, new RegExp(`Examples:\\n {2}ktb ${command}`));
  });
}

test("--version is the package's", async (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const { code, stdout } = await ktb(['--version']);
  t.is(code, 0);
  t.is(stdout, `${version}\n`);
});

test('an unknown command is wrong use: 2, and where help is', async (t) => {
  const { code, stdout, stderr } = await ktb(['brigde']);
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(stderr, /unknown command 'brigde'/);
  t.regex(stderr, /ktb --help/);
});

for (const args of [
  ['produce', 'orders', '--rate', '0'],
  ['produce', 'orders', '--key-field', 'orderId'],
  ['produce', 'orders', '--header', 'no value'],
  ['produce', 'orders', '--brokers', 'localhost'],
  ['produce', 'orders', '--brokers', 'localhost:1', '--file', 'nowhere.jsonl'],
  ['tail', 'orders', '--from', 'yesterday'],
  ['tail', 'orders', '--where', 'id=17'],
  ['tail', 'orders', '--limit', '-1'],
])
  test(`ktb ${args.join(' ')} is wrong use: 2, and says what was expected`, async (t) => {
    const { code, stdout, stderr } = await ktb(args);
    t.is(code, 2);
    t.is(stdout, '');
    t.regex(stderr, /Expected/);
  });

for (const args of [
  ['tail', 'orders', '--no-follow'],
  ['produce', 'orders', '--file', 'package.json', '--no-resume', '--raw'],
])
  test(`ktb ${args[0]} without Kafka fails: 1, and says that Kafka does not answer`, async (t) => {
    const { code, stdout, stderr } = await ktb([...args, '--brokers', '127.0.0.1:1']);
    t.is(code, 1);
    t.is(stdout, '');
    t.regex(stderr, /KTB_KAFKA: Kafka does not tell where orders stands/);
  });

test('an unknown option and a bad value are wrong use: 2', async (t) => {
  const unknown = await ktb(['bridge', '--confg', 'x']);
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /unknown option '--confg'/);
  const bad = await ktb(['bridge', '--report-every', 'often']);
  t.is(bad.code, 2);
  t.regex(bad.stderr, /Expected a number of seconds/);
});

test('without a config: 2, and what to do', async (t) => {
  using folder = emptyFolder();
  const { code, stderr } = await ktb(['bridge'], { cwd: folder.dir });
  t.is(code, 2);
  t.regex(stderr, /^KTB_CONFIG: Found no temporal\.config\.ts/);
  t.regex(stderr, /Create one that exports `defineConfig\(/);
  t.regex(stderr, /--config/);
  t.notRegex(stderr, /\n {4}at /, 'no stack trace for what the user can mend');
});

test('a config file that is not there: 2, and its path', async (t) => {
  const { code, stderr } = await ktb(['worker', '--config', 'nowhere.config.ts']);
  t.is(code, 2);
  t.regex(stderr, /Expected a config file at .*nowhere\.config\.ts, found none/);
});

test('a bad config: 2, and each bad field with what was expected and what came', async (t) => {
  using bad = project(`export default defineConfig({
    name: 'orders!',
    kafka: { brokers: ['localhost'], groupId: 'orders' },
    temporal: { taskQueue: 'orders' },
    maxPollRecords: -1,
    routes: [{ topic: 'orders', workflow: 'fulfilOrder', topik: 1 }],
  } as never);`);
  for (const command of ['bridge', 'worker', 'setup', 'doctor']) {
    const { code, stdout, stderr } = await ktb([command], { config: bad.configPath });
    t.is(code, 2);
    t.is(stdout, '');
    t.true(stderr.includes(bad.configPath));
    t.regex(stderr, /Expected `name` to be 1 to 64 letters.*, got "orders!"/);
    t.regex(stderr, /Expected `kafka\.brokers` to be an array of `host:port`, not empty, got an array/);
    t.regex(stderr, /Expected `maxPollRecords` to be a positive whole number, got -1/);
    t.regex(stderr, /Unknown field `routes\[0\]\.topik`; did you mean `topic`\?/);
  }
});

test('a route whose activity is not there: 1, and which there are', async (t) => {
  using wrong = writeProject({
    config: `import { defineConfig } from 'kafka-temporal-bridge';
      export default defineConfig({
        name: 'orders',
        kafka: { brokers: ['127.0.0.1:1'], groupId: 'orders' },
        temporal: { address: '127.0.0.1:1', taskQueue: 'orders' },
        worker: { activities: './activities/index.ts' },
        routes: [{ topic: 'orders', activity: 'bookOrder' }],
      });`,
    activities: 'export async function bookPayment() {}\n',
  });
  const { code, stderr } = await ktb(['worker'], { config: wrong.configPath });
  t.is(code, 1);
  t.regex(
    stderr,
    /KTB_WORKER: Expected route `orders` to name an activity, got `bookOrder`; there are: bookPayment/,
  );
});

test('a log is JSON lines without colours when stderr is no terminal, and stdout stays empty', async (t) => {
  using waits = project(`export default defineConfig({
    name: 'orders',
    kafka: { brokers: ['127.0.0.1:1'], groupId: 'orders' },
    temporal: { address: '127.0.0.1:1', taskQueue: 'orders' },
    routes: [{ topic: 'orders', workflow: 'fulfilOrder' }],
  });`);
  await using bridge = startKtb('bridge', ['bridge'], { config: waits.configPath });
  await bridge.waitForOutput('waiting for it');
  t.deepEqual(await bridge.term(), { code: 0, signal: null });
  t.is(bridge.stdout, '');
  t.notRegex(bridge.stderr, new RegExp(String.fromCharCode(27)));
  const lines = bridge.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; level: string });
  t.true(lines.some(({ msg, level }) => level === 'warn' && msg.startsWith('Kafka at 127.0.0.1:1')));
});

test('help and errors have no colours when they go to no terminal', async (t) => {
  const escape = new RegExp(String.fromCharCode(27));
  for (const args of [['--help'], ['bridge', '--help'], ['nonsense']]) {
    const { stdout, stderr } = await ktb(args);
    t.notRegex(stdout + stderr, escape);
  }
});
