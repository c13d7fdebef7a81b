import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { install } from '../../bridge/local-stack/cache.js';
import { findOnPath, runCommand } from '../../bridge/local-stack/command.js';
import { reapFolder } from '../../bridge/local-stack/reaper.js';
import { startProcess } from '../faults/process.js';

/** A headless Chromium of this test process's own: it dies with it, and its profile goes with it. */
export interface Chromium extends AsyncDisposable {
  readonly browser: Browser;
  /** The executable: where something does not look as expected, the reader asks which it was. */
  readonly path: string;
  readonly pid: number;
}

const ON_PATH = ['chromium', 'chromium-browser', 'google-chrome'];

const FLAGS = [
  '--headless',
  '--no-sandbox', // CI and containers run as root, where the sandbox refuses to start
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-port=0',
];

const repository = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Starts the Chromium on PATH, else the one of npm's `@sparticuz/chromium`.
 * @param look where PATH is read
 * @throws Error that lists the ways to get one: a test of the UI is never skipped
 */
export async function startChromium(look: NodeJS.ProcessEnv = process.env): Promise<Chromium> {
  const { path, env } = await findChromium(look);
  const temporary = join(repository, '.ktb', 'tmp');
  mkdirSync(temporary, { recursive: true });
  const profile = mkdtempSync(join(temporary, 'chromium-'));
  const forget = reapFolder(profile);
  const running = startProcess({
    name: 'Chromium',
    command: path,
    args: [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'],
    env,
  });
  const dispose = async (): Promise<void> => {
    // SIGTERM: its helper processes end with it, and none writes into the profile any more.
    await running.term({ timeoutMs: 5000 });
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    forget();
  };
  try {
    const [, endpoint] = await running.waitForOutput(/DevTools listening on (ws:\S+)/, 30_000);
    const browser = await chromium.connectOverCDP(endpoint!);
    return { browser, path, pid: running.pid, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Expected ${path} to start as a headless browser, got: ${why}\n${WAYS}`, {
      cause: error,
    });
  }
}

const WAYS =
  `Tests of Temporal's UI need one: ${ON_PATH.map((name) => `\`${name}\``).join(', ')} on PATH, ` +
  'or, on Linux x64, the @sparticuz/chromium that `npm ci` installs';

interface Executable {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
}

async function findChromium(look: NodeJS.ProcessEnv): Promise<Executable> {
  for (const name of ON_PATH) {
    const path = await findOnPath(name, look);
    if (path !== undefined) return { path, env: {} };
  }
  try {
    const folder = await unpackChromium();
    // Its own libraries (nss, nspr, expat) and font: a machine where nobody installed any has neither.
    const libraries = [join(folder, 'al2023', 'lib'), process.env['LD_LIBRARY_PATH']];
    return {
      path: join(folder, 'chromium'),
      env: {
        LD_LIBRARY_PATH: libraries.filter(Boolean).join(delimiter),
        FONTCONFIG_FILE: join(folder, 'fonts.conf'),
      },
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`Expected a Chromium, got none: ${why}. ${WAYS}`, { cause: error });
  }
}

/**
 * The package unpacks itself into `os.tmpdir()`, and its libraries only where it takes the machine for AWS Lambda. In
 * a process of its own both can be told, so that it lands in the cache folder, once.
 */
const UNPACK = `
const { default: chromium } = await import(process.argv[1]);
await chromium.executablePath();
`;

/** The paths in the package's own fonts.conf are Lambda's. */
const FONTS_CONF = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="relative">fonts-cache</cachedir>
</fontconfig>
`;

async function unpackChromium(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`npm's is for Linux x64, this is ${process.platform} ${process.arch}`);
  }
  const entry = import.meta.resolve('@sparticuz/chromium');
  // Its exports hide it, and the version stands nowhere else.
  const manifest = readFileSync(new URL('../../package.json', entry), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return install({
    name: `chromium-${version}`,
    build: async (target) => {
      await runCommand(process.execPath, ['--input-type=module', '--eval', UNPACK, entry], {
        env: { TMPDIR: target, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x', NODE_OPTIONS: '' },
        timeoutMs: 120_000,
      });
      await writeFile(join(target, 'fonts.conf'), FONTS_CONF);
    },
  });
}
