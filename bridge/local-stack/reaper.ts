import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

/**
 * Nothing may be left behind, even when this process is killed with SIGKILL and can clean up nothing. So a tiny
 * process of its own holds the other end of a pipe: it closes however we end, and then the processes that are still
 * alive are killed, and temporary folders removed. SIGKILL, since the servers' data survive it by design, and a
 * successor may want ports and files at once.
 *
 * A string and not a function's `toString()`: compilers add helpers (esbuild's `__name`) that would be missing there.
 */
const SOURCE = `
const fs = require('node:fs');
const processes = new Map();
const folders = new Set();
const startTime = (pid) => {
  try {
    const stat = fs.readFileSync('/proc/' + pid + '/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : fields[19];
  } catch { return 'ended'; }
};
const same = (pid, start) => {
  if (start !== '') return startTime(pid) === start;
  try { process.kill(pid, 0); return true; } catch { return false; }
};
const kill = (pid) => {
  try { process.kill(-pid, 'SIGKILL'); } catch {}
  try { process.kill(pid, 'SIGKILL'); } catch {}
};
let finished = false;
const finish = () => {
  if (finished) return;
  finished = true;
  for (const [pid, start] of processes) if (same(pid, start)) kill(pid);
  let rounds = 0;
  const sweep = () => {
    if (rounds++ < 100 && [...processes].some(([pid, start]) => same(pid, start))) return setTimeout(sweep, 50);
    for (const folder of folders) {
      try { fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }); } catch {}
    }
    process.exit(0);
  };
  sweep();
};
let rest = '';
const take = (line) => {
  const { op, pid, start, folder } = JSON.parse(line);
  if (op === 'watch') pid === undefined ? folders.add(folder) : processes.set(pid, start);
  else pid === undefined ? folders.delete(folder) : processes.delete(pid);
};
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  lines.forEach(take);
});
process.stdin.on('end', finish).on('close', finish).on('error', finish);
`;

interface Watched {
  readonly pid?: number;
  readonly start?: string;
  readonly folder?: string;
}

const watched = new Set<Watched>();
let reaper: ChildProcess | undefined;

/**
 * When a process was started, in clock ticks since boot: with the pid it names a process for good.
 * @returns '' where /proc tells nothing (other systems), and for a process that has ended
 */
export function processStartTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in brackets, may hold anything. State Z: it has ended, its parent has not asked how.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** Whether the process of this pid and start time runs. A start time of '' means any. */
export function isAlive(pid: number, start = ''): boolean {
  if (start !== '') return processStartTime(pid) === start;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Kills this process and its group when our own process is gone. To be called right after `spawn`, in the same turn,
 * while the pid can't have been used again.
 * @returns to be called once the process has ended
 */
export function reapProcess(pid: number): () => void {
  return watch({ pid, start: processStartTime(pid) });
}

/**
 * Removes this folder when our own process is gone, after the processes were killed.
 * @returns to be called once the folder was removed, or is to stay
 */
export function reapFolder(folder: string): () => void {
  return watch({ folder });
}

function watch(entry: Watched): () => void {
  watched.add(entry);
  if (reaper === undefined) {
    reaper = startReaper();
    for (const each of watched) send('watch', each);
  } else {
    send('watch', entry);
  }
  return () => {
    if (watched.delete(entry)) send('forget', entry);
  };
}

function send(op: 'watch' | 'forget', entry: Watched): void {
  reaper?.stdin?.write(`${JSON.stringify({ op, ...entry })}\n`);
}

function startReaper(): ChildProcess {
  // Without NODE_OPTIONS: a loader or a coverage collector there would only make it slow.
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...env } = process.env;
  const child = spawn(process.execPath, ['-e', SOURCE], {
    // Its own session: Ctrl-C in our terminal must not end it before us.
    detached: true,
    windowsHide: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env,
    cwd: process.platform === 'win32' ? undefined : '/',
  });
  const forget = (): void => {
    if (reaper === child) reaper = undefined;
  };
  child.once('exit', forget).once('error', forget);
  child.stdin.on('error', forget);
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}
