import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import { isAlive, processStartTime, reapFolder } from './reaper.js';
import { waitFor } from './wait.js';

/** Where what was fetched or built is kept: `KTB_CACHE_DIR`, else the platform's usual place. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const set = env['KTB_CACHE_DIR'];
  if (set !== undefined && set !== '') return set;
  const name = 'kafka-temporal-bridge';
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', name);
  if (process.platform === 'win32')
    return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), name);
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), name);
}

export interface InstallOptions {
  /** Name and version: "kafka-4.4.0". */
  readonly name: string;
  /** Fills an empty folder beside the final one; may fail or be killed at any time. */
  readonly build: (folder: string) => Promise<void>;
  /** Called once when another process is installing the same. */
  readonly onWait?: (pid: number) => void;
  /** @default cacheDir() */
  readonly cache?: string;
  /** How long another process' installation is waited for. @default 1_200_000 */
  readonly lockTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The folder of an installation, or `undefined` when it isn't there. */
export async function installed(name: string, cache = cacheDir()): Promise<string | undefined> {
  const folder = join(cache, name);
  return (await exists(folder)) ? folder : undefined;
}

/**
 * Installs once: a folder that exists is complete, since it was renamed into place. Two processes do not do the work
 * twice (a lock), and would do no harm if they did.
 * @returns the folder
 */
export async function install(options: InstallOptions): Promise<string> {
  const cache = options.cache ?? cacheDir();
  const folder = join(cache, options.name);
  if (await exists(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const release = await lock(`${folder}.lock`, {
    timeoutMs: options.lockTimeoutMs ?? 1_200_000,
    onWait: options.onWait,
    signal: options.signal,
  });
  try {
    if (await exists(folder)) return folder;
    const temporary = await mkdtemp(`${folder}.tmp-`);
    const forget = reapFolder(temporary);
    try {
      await options.build(temporary);
      await rename(temporary, folder).catch(async (error: unknown) => {
        if (!(await exists(folder))) throw error;
      });
    } finally {
      await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
      forget();
    }
    return folder;
  } finally {
    await release();
  }
}

export interface LockOptions {
  /** How long an owner that is alive is waited for. */
  readonly timeoutMs: number;
  readonly onWait?: ((pid: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface LockOwner {
  readonly pid: number;
  readonly start: string;
}

/** Time for an owner to write its name into the lock that it has just made. */
const NAMELESS_MS = 5_000;

/**
 * Takes a lock between processes: a folder that names its owner. One whose owner has ended is taken over.
 * @returns gives the lock back
 * @throws BridgeError `KTB_LOCAL_STACK` when its owner keeps it beyond the deadline
 */
export async function lock(path: string, options: LockOptions): Promise<() => Promise<void>> {
  const ownerFile = join(path, 'owner.json');
  let waitedFor: number | undefined;
  const attempt = async (): Promise<boolean> => {
    try {
      await mkdir(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = await ownerOf(path, ownerFile);
      if (owner !== 'ended') {
        if (owner !== 'unknown' && waitedFor === undefined) {
          waitedFor = owner.pid;
          options.onWait?.(owner.pid);
        }
        return false;
      }
      // Under a name of its own first, so that two that take it over do not remove each other's folder.
      const aside = `${path}.stale-${process.pid}-${Math.random().toString(36).slice(2)}`;
      await rename(path, aside).catch(() => undefined);
      await rm(aside, { recursive: true, force: true });
      return false;
    }
    const owner: LockOwner = { pid: process.pid, start: processStartTime(process.pid) };
    await writeFile(ownerFile, JSON.stringify(owner));
    return true;
  };
  try {
    await waitFor(attempt, {
      what: `the lock ${path}`,
      timeoutMs: options.timeoutMs,
      intervalMs: 100,
      signal: options.signal,
    });
  } catch (error) {
    if (!(error instanceof BridgeError) || waitedFor === undefined) throw error;
    const message = `Expected ${path} to be free, got a lock of process ${waitedFor}, which is running`;
    throw new BridgeError('KTB_LOCAL_STACK', message, { cause: error, retryable: true });
  }
  return async () => rm(path, { recursive: true, force: true });
}

async function ownerOf(path: string, ownerFile: string): Promise<LockOwner | 'ended' | 'unknown'> {
  try {
    const owner = JSON.parse(await readFile(ownerFile, 'utf8')) as LockOwner;
    return isAlive(owner.pid, owner.start) ? owner : 'ended';
  } catch {
    const made = await stat(path).catch(() => undefined);
    return made !== undefined && Date.now() - made.mtimeMs > NAMELESS_MS ? 'ended' : 'unknown';
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
