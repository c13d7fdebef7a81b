import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { isAlive, processStartTime } from '../../bridge/local-stack/reaper.js';
import { waitFor } from '../../bridge/local-stack/wait.js';
import type { Held } from './_owner.js';

async function killOwner(t: ExecutionContext, what: string): Promise<void> {
  const owner = spawn(
    process.execPath,
    ['--import=tsx', fileURLToPath(new URL('_owner.ts', import.meta.url)), what],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.teardown(() => owner.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string];
  const held = JSON.parse(line) as Held;
  t.true(held.pids.every((pid) => isAlive(pid, processStartTime(pid))));
  t.true(existsSync(held.folder));
  const started = held.pids.map((pid) => [pid, processStartTime(pid)] as const);

  owner.kill('SIGKILL');
  await waitFor(() => started.every(([pid, start]) => start !== '' && processStartTime(pid) !== start), {
    what: `the processes ${held.pids.join(', ')} to be gone`,
    timeoutMs: 10_000,
  });
  await waitFor(() => !existsSync(held.folder), { what: `${held.folder} to be gone`, timeoutMs: 10_000 });
}

test('a process and a folder do not outlive an owner that is killed with SIGKILL', async (t) => {
  t.timeout(30_000);
  await killOwner(t, 'child');
});

test('a whole stack does not outlive an owner that is killed with SIGKILL', async (t) => {
  t.timeout(120_000);
  await killOwner(t, 'stack');
});

test('a pid that was used again is another process', (t) => {
  if (process.platform !== 'linux') return void t.pass();
  const start = processStartTime(process.pid);
  t.true(isAlive(process.pid, start));
  t.false(isAlive(process.pid, String(Number(start) + 1)));
});
