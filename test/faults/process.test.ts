import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { until } from '../helpers/until.js';
import { cpuSeconds, rssBytes, startProcess, type ProcessOptions, type StartedProcess } from './process.js';

function node(t: ExecutionContext, script: string, options: Partial<ProcessOptions> = {}): StartedProcess {
  const started = startProcess({
    name: 'child',
    command: process.execPath,
    args: ['-e', script],
    ...options,
  });
  t.teardown(() => started.kill());
  return started;
}

const LIVES = 'console.log("up"); setInterval(() => {}, 1000);';

/** The state letter of /proc: T is stopped. */
function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
}

test('output is captured, and waited for', async (t) => {
  const child = node(t, 'console.log("port", 1234); console.error("warned");');
  const match = await child.waitForOutput(/port (\d+)/);
  t.is(match[1], '1234');
  t.deepEqual(await child.exited, { code: 0, signal: null });
  t.is(child.stdout, 'port 1234\n');
  t.is(child.stderr, 'warned\n');
  t.false(child.running);
});

test('waiting for output ends when the process does, and says why', async (t) => {
  const child = node(t, 'console.log("almost"); process.exit(3);');
  const error = await t.throwsAsync(child.waitForOutput('ready'));
  t.regex(error.message, /Expected child to write ready, but it ended with code 3[^]*almost/);
});

test('waiting for output ends at its deadline', async (t) => {
  const child = node(t, LIVES);
  const error = await t.throwsAsync(child.waitForOutput('ready', 50));
  t.regex(error.message, /not within 50 ms/);
});

test('SIGKILL ends it, also while it is stopped', async (t) => {
  const child = node(t, LIVES);
  await child.waitForOutput('up');
  child.stop();
  await until(() => stateOf(child.pid) === 'T', { what: 'it to be stopped' });
  child.cont();
  await until(() => stateOf(child.pid) !== 'T', { what: 'it to go on' });
  child.stop();
  t.deepEqual(await child.kill(), { code: null, signal: 'SIGKILL' });
  t.false(child.signal('SIGTERM'));
});

test('SIGTERM is followed by SIGKILL at the deadline', async (t) => {
  const child = node(t, `process.on('SIGTERM', () => console.log('no')); ${LIVES}`);
  await child.waitForOutput('up');
  t.deepEqual(await child.term({ timeoutMs: 200 }), { code: null, signal: 'SIGKILL' });
  t.regex(child.output, /no/);
});

test('a command that is not there is an exit, not a crash', async (t) => {
  const child = startProcess({ name: 'none', command: '/nowhere/at-all', args: [] });
  t.is((await child.exited).code, 127);
  t.regex(child.output, /ENOENT/);
});

test('the environment is ours without what ava sets', async (t) => {
  const child = node(
    t,
    'console.log(process.env.NODE_ENV, process.env.EXTRA, process.env.PATH !== undefined)',
    {
      env: { EXTRA: 'yes' },
    },
  );
  await child.exited;
  t.is(child.stdout, 'undefined yes true\n');
});

test('the log file holds everything', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'ktb-process-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const logFile = join(folder, 'logs', 'child.log');
  const child = node(t, 'console.log("a line")', { logFile });
  await child.exited;
  await until(async () => (await readFile(logFile, 'utf8')) === 'a line\n', { what: 'the line in the file' });
  t.pass();
});

test('memory and CPU time are read from /proc', async (t) => {
  const child = node(
    t,
    'while (process.cpuUsage().user < 200_000); console.log("up"); setInterval(() => {}, 1000);',
  );
  await child.waitForOutput('up');
  t.true(rssBytes(child.pid) > 10_000_000);
  t.true(cpuSeconds(child.pid) >= 0.1);
});

test('a child dies with the process that started it, even by SIGKILL', async (t) => {
  const module = JSON.stringify(new URL('process.ts', import.meta.url).href);
  const script = `
    const { startProcess } = await import(${module});
    const child = startProcess({ name: 'grandchild', command: process.execPath, args: ['-e', ${JSON.stringify(LIVES)}] });
    await child.waitForOutput('up');
    console.log('pid', child.pid);
    setInterval(() => {}, 1000);`;
  const parent = startProcess({
    name: 'parent',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script],
  });
  t.teardown(() => parent.kill());
  const pid = Number((await parent.waitForOutput(/pid (\d+)/))[1]);
  await parent.kill();
  await until(() => !isAlive(pid), { what: 'the grandchild to be gone', timeoutMs: 10_000 });
  t.pass();
});

function isAlive(pid: number): boolean {
  try {
    return stateOf(pid) !== 'Z';
  } catch {
    return false;
  }
}
