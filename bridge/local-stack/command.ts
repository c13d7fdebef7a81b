import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { BridgeError } from '../errors.js';
import { reapProcess } from './reaper.js';

export interface CommandOptions {
  readonly cwd?: string;
  /** Added to our own environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  /** The command and what it started are killed after that. @default none */
  readonly timeoutMs?: number;
  /** Each line of both outputs, as it comes. */
  readonly onLine?: (line: string) => void;
}

const KEPT_LINES = 1000;

/**
 * Runs a command to its end.
 * @returns its last 1,000 lines of output, both streams together
 * @throws BridgeError `KTB_LOCAL_STACK` with the last lines when it fails or takes too long; the signal's reason
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string[]> {
  options.signal?.throwIfAborted();
  const windows = process.platform === 'win32';
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what it starts (compilers, a JVM behind a script) is killed with it.
    detached: !windows,
    windowsHide: true,
    // Node refuses to run .cmd files (mvn.cmd) without a shell.
    shell: windows && /\.(cmd|bat)$/i.test(command),
  });
  const forget = child.pid === undefined ? undefined : reapProcess(child.pid);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      options.onLine?.(line);
    });
  }
  let timedOut = false;
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(windows ? child.pid : -child.pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, options.timeoutMs);
  options.signal?.addEventListener('abort', kill, { once: true });
  try {
    const status = await new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`it could not be started: ${error.message}`));
      child.once('close', (code, signal) =>
        resolve(code === 0 ? '' : `it ended with ${signal ?? `code ${code}`}`),
      );
    });
    options.signal?.throwIfAborted();
    if (status !== '' || timedOut) {
      const why = timedOut ? `it took longer than ${options.timeoutMs} ms` : status;
      const tail = lines.slice(-12).join('\n');
      const message = `${[command, ...args].join(' ')}: ${why}${tail === '' ? '' : `; its last lines:\n${tail}`}`;
      throw new BridgeError('KTB_LOCAL_STACK', message, { retryable: timedOut });
    }
    return lines;
  } finally {
    forget?.();
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', kill);
  }
}

/** The full path of a program on PATH, or `undefined`. */
export async function findOnPath(program: string, env = process.env): Promise<string | undefined> {
  const extensions = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    for (const extension of folder === '' ? [] : extensions) {
      const path = join(folder, program + extension);
      if (await isExecutable(path)) return path;
    }
  }
  return undefined;
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
