import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startLocalStack } from '../../bridge/local-stack/local-stack.js';
import { isAlive } from '../../bridge/local-stack/reaper.js';
import { accepts } from '../../bridge/local-stack/wait.js';

// A folder of our own for temporary ones: other test files start stacks at the same time.
const ownTemporary = mkdtempSync(join(tmpdir(), 'ktb-own-'));
process.env['TMPDIR'] = ownTemporary;
test.after.always(() => rmSync(ownTemporary, { recursive: true, force: true }));

/** The local addresses, in /proc's hexadecimal, of a process' listening sockets. */
function listening(pid: number): string[] {
  const sockets = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) sockets.add(inode);
    } catch {
      // Closed meanwhile.
    }
  }
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && sockets.has(fields[9] ?? ''))
      .map((fields) => fields[1]!),
  );
}

const LOOPBACK = /^(0100007F|0000000000000000FFFF00000100007F|00000000000000000000000001000000):/;

test.serial('a stack listens on loopback only, can be used, and leaves nothing behind', async (t) => {
  t.timeout(180_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'ktb-stack-test-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const stack = await startLocalStack({ ports: 'free', dataDir });
  t.teardown(async () => stack.stop());
  t.is((await fetch(stack.ui!.url)).status, 200);

  const servers = [stack.kafka.server!, stack.temporal.server!];
  if (process.platform === 'linux') {
    for (const server of servers) {
      const addresses = listening(server.pid);
      t.true(addresses.length >= Object.keys(server.ports).length, `${server.name}: ${addresses.join(' ')}`);
      for (const address of addresses) t.regex(address, LOOPBACK, server.name);
    }
  }

  const error = await t.throwsAsync(startLocalStack({ ports: 'free', dataDir }));
  t.regex(error.message, /process \d+, which is running/);

  await Promise.all([stack.stop(), stack.stop()]);
  for (const server of servers) {
    t.false(isAlive(server.pid));
    for (const port of Object.values(server.ports)) t.false(await accepts(port));
  }
  t.true(existsSync(join(dataDir, 'kafka', 'log', 'meta.properties')), 'a folder that was given is kept');
});

test.serial('addresses that are given start nothing', async (t) => {
  const stack = await startLocalStack({
    kafka: { brokers: ['kafka.example:9092'] },
    temporal: { address: 'temporal.example:7233', namespace: 'orders' },
  });
  t.deepEqual(stack.kafka, { brokers: ['kafka.example:9092'] });
  t.deepEqual(stack.temporal, { address: 'temporal.example:7233', namespace: 'orders' });
  t.is(stack.ui, undefined);
  await stack.stop();
  t.false(existsSync(stack.dataDir), 'the temporary folder is removed');
});

test.serial('giving up the start leaves nothing behind', async (t) => {
  t.timeout(60_000);
  const controller = new AbortController();
  const folders = (): string[] => readdirSync(tmpdir()).filter((name) => /^ktb-stack-\w{6}$/.test(name));
  const starting = startLocalStack({ ports: 'free', signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.throwsAsync(starting, { message: 'enough' });
  t.deepEqual(folders(), []);
});
