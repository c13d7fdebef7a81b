import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cacheDir, install, lock } from '../../bridge/local-stack/cache.js';

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'ktb-cache-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('the cache is where KTB_CACHE_DIR says', (t) => {
  t.is(cacheDir({ KTB_CACHE_DIR: '/somewhere' }), '/somewhere');
  t.regex(cacheDir({}), /kafka-temporal-bridge$/);
});

test('two installations at once do the work once', async (t) => {
  const cache = temporaryFolder(t);
  let builds = 0;
  const build = async (folder: string): Promise<void> => {
    builds++;
    await new Promise((resolve) => setTimeout(resolve, 50));
    writeFileSync(join(folder, 'file'), 'complete');
  };
  const [one, two] = await Promise.all([1, 2].map(async () => install({ name: 'x-1', build, cache })));
  t.is(one, two);
  t.is(builds, 1);
  t.is(readFileSync(join(one!, 'file'), 'utf8'), 'complete');
});

test('an installation that fails leaves nothing, and can be tried again', async (t) => {
  const cache = temporaryFolder(t);
  const fail = async (folder: string): Promise<void> => {
    writeFileSync(join(folder, 'half'), '');
    throw new Error('no network');
  };
  await t.throwsAsync(install({ name: 'x-1', build: fail, cache }), { message: 'no network' });
  t.deepEqual(readdirSync(cache), []);
  t.true(existsSync(await install({ name: 'x-1', build: async () => {}, cache })));
});

test('the lock of a process that has ended is taken over', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  mkdirSync(path);
  writeFileSync(join(path, 'owner.json'), JSON.stringify({ pid, start: '1' }));
  const release = await lock(path, { timeoutMs: 5000 });
  t.is((JSON.parse(readFileSync(join(path, 'owner.json'), 'utf8')) as { pid: number }).pid, process.pid);
  await release();
  t.false(existsSync(path));
});

test('the lock of a process that runs is waited for, and the message names the process', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const release = await lock(path, { timeoutMs: 1000 });
  const waited: number[] = [];
  const error = await t.throwsAsync(lock(path, { timeoutMs: 200, onWait: (pid) => waited.push(pid) }));
  t.like(error, { code: 'KTB_LOCAL_STACK', retryable: true });
  t.true(error.message.includes(String(process.pid)));
  t.deepEqual(waited, [process.pid]);
  await release();
});
