import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { cacheDir, install, installed } from './cache.js';
import { findOnPath, isExecutable, runCommand } from './command.js';
import { goInstall } from './go-install.js';
import { missingPiece, type Attempt } from './missing-piece.js';

/** The newest server that Go 1.26.8 builds. */
const TEMPORAL_SERVER_VERSION = '1.32.1';

export interface ResolveTemporalOptions {
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
  /** @default cacheDir() */
  readonly cache?: string;
  /** Where TEMPORAL_CLI_PATH and PATH are read. @default process.env */
  readonly env?: NodeJS.ProcessEnv;
  /** Only the plain server: the CLI's start-dev has no TLS. @default whichever is nearest */
  readonly only?: 'server' | undefined;
  /** How long the SDK's download may take: a firewall may swallow it without a word. @default 20_000 */
  readonly downloadTimeoutMs?: number;
}

/** `cli`: run `server start-dev`, which brings its UI. `server`: the plain server, run with a config file. */
export interface TemporalExecutable {
  readonly kind: 'cli' | 'server';
  readonly path: string;
}

/**
 * The ways to get a Temporal server, in this order: `TEMPORAL_CLI_PATH` or `temporal` on PATH; the SDK's own download;
 * the server built by Go. (A configured address comes before all of them, and is the caller's.)
 * @throws BridgeError `KTB_LOCAL_STACK` that lists the ways and why each failed
 */
export async function resolveTemporal(options: ResolveTemporalOptions = {}): Promise<TemporalExecutable> {
  const { signal, env = process.env, cache = cacheDir() } = options;
  const name = `temporal-server-${TEMPORAL_SERVER_VERSION}`;
  const attempts: Attempt[] = [
    { way: 'give the address of a Temporal that runs (`temporal.address`)', outcome: 'none was given' },
  ];
  if (options.only === undefined) {
    const path = await findCli({ ...options, env, cache }, name, attempts);
    if (path !== undefined) return { kind: 'cli', path };
  }

  try {
    const path = await goInstall({
      name,
      title: `building Temporal's server ${TEMPORAL_SERVER_VERSION} (once, 3-4 minutes)`,
      module: `go.temporal.io/server/cmd/server@v${TEMPORAL_SERVER_VERSION}`,
      progress: options.progress,
      signal,
      cache,
      env,
    });
    return { kind: 'server', path };
  } catch (error) {
    signal?.throwIfAborted();
    const way = "install Go, which then builds Temporal's server (with access to a Go module proxy)";
    attempts.push({ way, outcome: messageOf(error) });
    throw missingPiece('Temporal', attempts, error);
  }
}

/** @returns its path; where there is none, `attempts` has grown by the ways that failed */
async function findCli(
  options: DownloadOptions,
  serverName: string,
  attempts: Attempt[],
): Promise<string | undefined> {
  const { env, cache } = options;
  const configured = env['TEMPORAL_CLI_PATH'] ?? '';
  if (configured !== '' && (await isExecutable(configured))) return configured;
  const onPath = await findOnPath('temporal', env);
  if (onPath !== undefined) return onPath;
  const unset = configured === '' ? 'it is not set' : `${configured} can't be run`;
  attempts.push({
    way: "install Temporal's CLI (`temporal` on PATH, or its path in TEMPORAL_CLI_PATH)",
    outcome: `no \`temporal\` on PATH; TEMPORAL_CLI_PATH: ${unset}`,
  });

  // What a former run has built is taken before anything is fetched.
  const built = await installed(serverName, cache);
  const downloaded = await downloadCli({ ...options, onlyCached: built !== undefined });
  if (downloaded.path !== undefined) return downloaded.path;
  attempts.push({ way: "let the SDK download Temporal's CLI (temporal.download)", outcome: downloaded.why });
  return undefined;
}

interface DownloadOptions extends ResolveTemporalOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cache: string;
  /** @default false */
  readonly onlyCached?: boolean;
}

/** A day. A download that failed is behind a firewall, and would cost each start its deadline. */
const REMEMBERED_MS = 86_400_000;

/** In a process of its own: the SDK's native code can't be interrupted. Argument: the folder. */
const DOWNLOAD = `
const { TestWorkflowEnvironment } = require(process.argv[1]);
const executable = { type: 'cached-download', downloadDir: process.argv[2], ttl: '3650d' };
TestWorkflowEnvironment.createLocal({ server: { executable, ip: '127.0.0.1' } })
  .then((environment) => environment.teardown())
  .then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });
`;

async function downloadCli(options: DownloadOptions): Promise<{ path?: string; why: string }> {
  const { cache, signal, env } = options;
  const require = createRequire(import.meta.url);
  const { version } = require('@temporalio/testing/package.json') as { version: string };
  const name = `temporal-cli-sdk-${version}`;
  const there = await installed(name, cache);
  if (there !== undefined) {
    const path = await newestExecutable(there);
    if (path !== undefined) return { path, why: '' };
  }
  const failure = join(cache, `${name}.failed.json`);
  const remembered = await rememberedFailure(failure);
  if (remembered !== undefined) return { why: remembered };
  if (options.onlyCached === true) return { why: 'not tried: the server is in the cache' };

  const timeoutMs = options.downloadTimeoutMs ?? 20_000;
  const step = (options.progress ?? silentProgress).step("downloading Temporal's CLI with the SDK");
  try {
    const folder = await install({
      name,
      cache,
      signal,
      onWait: (pid) => step.update(`process ${pid} is at it, waiting`),
      build: async (target) => {
        await runCommand(process.execPath, ['-e', DOWNLOAD, require.resolve('@temporalio/testing'), target], {
          env: { ...env, NODE_OPTIONS: '', NODE_V8_COVERAGE: '' },
          signal,
          timeoutMs,
        });
        if ((await newestExecutable(target)) === undefined) throw new Error('the SDK left no executable');
      },
    });
    step.done();
    return { path: await newestExecutable(folder), why: '' };
  } catch (error) {
    if (signal?.aborted === true) step.fail('stopped');
    signal?.throwIfAborted();
    // The command line is our script; what it said is what tells.
    const said = messageOf(error).split('its last lines:\n')[1]?.trim().split('\n').at(-1);
    const why =
      said ?? (/longer than/.test(messageOf(error)) ? `no answer in ${timeoutMs} ms` : messageOf(error));
    await mkdir(cache, { recursive: true });
    await writeFile(failure, JSON.stringify({ at: new Date().toISOString(), why }));
    step.fail(`${why}; not tried again for a day`);
    return { why };
  }
}

async function rememberedFailure(file: string): Promise<string | undefined> {
  try {
    const { at, why } = JSON.parse(await readFile(file, 'utf8')) as { at: string; why: string };
    const recent = Date.now() - Date.parse(at) < REMEMBERED_MS;
    return recent ? `${why} (at ${at}; remembered for a day, remove ${file} to try again)` : undefined;
  } catch {
    return undefined;
  }
}

async function newestExecutable(folder: string): Promise<string | undefined> {
  let newest: { path: string; at: number } | undefined;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isFile() || !(await isExecutable(path))) continue;
    const { mtimeMs } = await stat(path);
    if (newest === undefined || mtimeMs > newest.at) newest = { path, at: mtimeMs };
  }
  return newest?.path;
}
