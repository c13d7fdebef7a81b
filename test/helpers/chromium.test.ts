import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { cacheDir } from '../../bridge/local-stack/cache.js';
import { startChromium } from './chromium.js';

const temporary = fileURLToPath(new URL('../../.ktb/tmp/', import.meta.url));
const profiles = (): string[] =>
  existsSync(temporary) ? readdirSync(temporary).filter((name) => name.startsWith('chromium-')) : [];

const linux = process.platform === 'linux' && process.arch === 'x64' ? test.serial : test.serial.skip;

linux("npm's Chromium runs out of the cache, with its own libraries, and leaves no profile", async (t) => {
  const before = profiles();
  const started = await startChromium({ PATH: '' });
  t.true(started.path.startsWith(cacheDir()), started.path);
  const page = await started.browser.newPage();
  await page.setContent('<h1>Hello</h1>');
  t.is(await page.locator('h1').innerText(), 'Hello');
  const maps = readFileSync(`/proc/${started.pid}/maps`, 'utf8');
  for (const library of ['libnss3.so', 'libnspr4.so', 'libexpat.so.1']) {
    const loaded = maps.split('\n').find((line) => line.endsWith(`/${library}`));
    t.true(loaded?.includes(cacheDir()), `${library}: ${loaded}`);
  }
  await started[Symbol.asyncDispose]();
  t.deepEqual(profiles(), before);
});

test.serial(
  'one on PATH is taken first, and where it does not start the error names it and the other ways',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ktb-path-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const broken = join(folder, 'google-chrome');
    writeFileSync(broken, '#!/bin/sh\necho no display >&2\nexit 1\n');
    chmodSync(broken, 0o755);
    const error = await t.throwsAsync(startChromium({ PATH: folder }));
    t.true(error.message.includes(broken));
    t.regex(error.message, /no display/);
    t.regex(
      error.message,
      /`chromium`, `chromium-browser`, `google-chrome` on PATH, or, on Linux x64, the @sparticuz\/chromium/,
    );
  },
);
