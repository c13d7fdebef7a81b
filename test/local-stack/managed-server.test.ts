import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ManagedServer, type ManagedServerOptions } from '../../bridge/local-stack/managed-server.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { isAlive } from '../../bridge/local-stack/reaper.js';
import { accepts, waitFor } from '../../bridge/local-stack/wait.js';

const LISTEN = "require('node:net').createServer().listen(+process.argv[1], '127.0.0.1');";
const DEAF = `${LISTEN} process.on('SIGTERM', () => {});`;

async function options(t: ExecutionContext, script: string): Promise<ManagedServerOptions> {
  const folder = mkdtempSync(join(tmpdir(), 'ktb-server-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  return {
    name: 'Example',
    command: process.execPath,
    args: ['-e', script, String(port)],
    ports: { main: port },
    logFile: join(folder, 'example.log'),
    ready: async ({ signal }) => {
      await waitFor(async () => accepts(port), { what: 'the port', timeoutMs: 60_000, signal });
    },
  };
}

test('a server that is killed comes back on the same port', async (t) => {
  const server = await ManagedServer.start(await options(t, LISTEN));
  const { pid, exited } = server;
  t.true(server.signal('SIGKILL'));
  t.is((await exited).signal, 'SIGKILL');
  t.false(server.running);
  await server.restart();
  t.not(server.pid, pid);
  t.true(await accepts(server.ports['main']!));
  await server.stop();
  await server.stop();
  t.false(await accepts(server.ports['main']!));
});

test('a server that is deaf to SIGTERM, or stopped, is killed at the deadline', async (t) => {
  const server = await ManagedServer.start(await options(t, DEAF));
  server.signal('SIGSTOP');
  await server.stop({ timeoutMs: 100 });
  t.false(isAlive(server.pid));
});

test('one that ends before it is ready gives its last lines and its log', async (t) => {
  const spec = await options(t, "console.error('no such option: --fast'); process.exit(3)");
  const error = await t.throwsAsync(ManagedServer.start(spec));
  t.like(error, { code: 'KTB_LOCAL_STACK' });
  t.true(error.message.includes('ended with code 3'));
  t.true(error.message.includes('no such option: --fast'));
  t.true(error.message.includes(spec.logFile));
});

test('a program that does not exist is an error, not a crash', async (t) => {
  const spec = { ...(await options(t, '')), command: '/nowhere/at/all' };
  const error = await t.throwsAsync(ManagedServer.start(spec));
  t.like(error, { code: 'KTB_LOCAL_STACK' });
});

test('one that never gets ready is killed at the deadline', async (t) => {
  const spec = await options(t, 'setInterval(() => {}, 1000)');
  const error = await t.throwsAsync(ManagedServer.start({ ...spec, readyTimeoutMs: 300 }));
  t.true(error.message.includes('not ready after 300 ms'));
});

test('giving up the start kills the process and throws the reason', async (t) => {
  const controller = new AbortController();
  const starting = ManagedServer.start(await options(t, 'setInterval(() => {}, 1000)'), controller.signal);
  controller.abort(new Error('enough'));
  await t.throwsAsync(starting, { message: 'enough' });
});
