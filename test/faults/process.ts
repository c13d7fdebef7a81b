import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdirSync, readFileSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reapProcess } from '../../bridge/local-stack/reaper.js';

export interface ProcessOptions {
  /** As it stands in messages and in a kill loop's log: "bridge-1". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to our own; `undefined` removes one. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Everything that it writes is appended to this file too. */
  readonly logFile?: string;
}

/** How a process ended: one of the two is null. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process of the product, to be hurt. It dies with this process, however this one ends. */
export interface StartedProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Resolves when it has ended and all its output was read. */
  readonly exited: Promise<ProcessExit>;
  readonly running: boolean;
  /** The last 1 MiB of stdout and stderr, in the order of arrival. */
  readonly output: string;
  /** The last 1 MiB of each alone. */
  readonly stdout: string;
  readonly stderr: string;
  /** @returns false when it has ended */
  signal(name: NodeJS.Signals): boolean;
  /** SIGKILL. */
  kill(): Promise<ProcessExit>;
  /** SIGTERM, and SIGKILL when it still runs after the deadline (default 180,000). */
  term(options?: { readonly timeoutMs?: number }): Promise<ProcessExit>;
  /** SIGSTOP: it hangs, its connections stay open. */
  stop(): void;
  /** SIGCONT. */
  cont(): void;
  /**
   * Waits until its output, from the start on, holds this.
   * @returns the match
   * @throws Error with the last lines when it ends without it or takes too long (default 180,000)
   */
  waitForOutput(pattern: string | RegExp, timeoutMs?: number): Promise<RegExpMatchArray>;
}

const OUTPUT_LIMIT = 1024 * 1024;
const repository = fileURLToPath(new URL('../../', import.meta.url));

export function startProcess(options: ProcessOptions): StartedProcess {
  return new Process(options);
}

export interface KtbOptions {
  /** The config file. @default what ktb finds upwards from `cwd` */
  readonly config?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly logFile?: string;
}

/** Starts `ktb <args>` from the sources. The pid is ktb's own, so that signals, RSS and CPU time are too. */
export function startKtb(name: string, args: readonly string[], options: KtbOptions = {}): StartedProcess {
  const { config, ...rest } = options;
  const main = `${repository}bridge/cli/main.ts`;
  // As a URL: a bare `tsx` would be looked for from the child's own folder.
  const loader = ['--import', import.meta.resolve('tsx')];
  const configArgs = config === undefined ? [] : ['--config', config];
  return startProcess({
    ...rest,
    name,
    command: process.execPath,
    args: [...loader, main, ...args, ...configArgs],
  });
}

/** The resident memory of a process now. Linux only. */
export function rssBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined)
    throw new Error(`Expected process ${pid} to have a VmRSS, got a process that has ended`);
  return Number(kilobytes) * 1024;
}

/** User and system time that a process has taken so far, without its children's. Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command's name, in brackets, may hold blanks; utime and stime are fields 14 and 15. 100 ticks are a second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** What ava sets for its own workers changes kafkajs's defaults (NODE_ENV=test) and what children print. */
function childEnvironment(added: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: undefined, FORCE_COLOR: undefined, ...added };
  for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
  return env;
}

class Tail {
  #text = '';

  add(text: string): void {
    this.#text += text;
    // Cut seldom, so that a chatty process costs no copy a chunk.
    if (this.#text.length > 2 * OUTPUT_LIMIT) this.#text = this.#text.slice(-OUTPUT_LIMIT);
  }

  get text(): string {
    return this.#text.slice(-OUTPUT_LIMIT);
  }
}

class Process implements StartedProcess {
  readonly name: string;
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;
  readonly #all = new Tail();
  readonly #stdout = new Tail();
  readonly #stderr = new Tail();
  readonly #log: WriteStream | undefined;
  readonly #listeners = new Set<() => void>();
  #exit: ProcessExit | undefined;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    const child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: childEnvironment(options.env),
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C in the terminal must reach it through the test only.
      detached: true,
    });
    this.#child = child;
    const forget = child.pid === undefined ? undefined : reapProcess(child.pid);
    if (options.logFile !== undefined) {
      mkdirSync(dirname(options.logFile), { recursive: true });
      this.#log = createWriteStream(options.logFile, { flags: 'a' });
    }
    for (const [stream, tail] of [
      [child.stdout, this.#stdout],
      [child.stderr, this.#stderr],
    ] as const) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        tail.add(text);
        this.#all.add(text);
        this.#log?.write(text);
        for (const listener of this.#listeners) listener();
      });
    }
    this.exited = new Promise((resolve) => {
      const end = (exit: ProcessExit): void => {
        if (this.#exit !== undefined) return;
        this.#exit = exit;
        forget?.();
        this.#log?.end();
        resolve(exit);
        for (const listener of this.#listeners) listener();
      };
      child.once('error', (error) => {
        this.#all.add(`${error.message}\n`);
        if (child.pid === undefined) end({ code: 127, signal: null });
      });
      // 'close' comes when the pipes are read to their end, which a grandchild that holds them may put off for ever.
      child.once('close', (code, signal) => end({ code, signal }));
      child.once('exit', (code, signal) => void setTimeout(end, 1000, { code, signal }).unref());
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get running(): boolean {
    return this.#exit === undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output(): string {
    return this.#all.text;
  }

  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  signal(name: NodeJS.Signals): boolean {
    return this.running && this.#child.kill(name);
  }

  async kill(): Promise<ProcessExit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  async term(options: { readonly timeoutMs?: number } = {}): Promise<ProcessExit> {
    this.signal('SIGTERM');
    // A stopped process would never see it.
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), options.timeoutMs ?? 180_000);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    this.signal('SIGSTOP');
  }

  cont(): void {
    this.signal('SIGCONT');
  }

  async waitForOutput(pattern: string | RegExp, timeoutMs = 180_000): Promise<RegExpMatchArray> {
    const find = (): RegExpMatchArray | undefined => {
      if (typeof pattern !== 'string')
        return this.output.match(new RegExp(pattern, pattern.flags.replace('g', ''))) ?? undefined;
      return this.output.includes(pattern) ? [pattern] : undefined;
    };
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#listeners.delete(check);
        clearTimeout(timer);
      };
      const giveUp = (why: string): void => {
        settle();
        const tail = this.output.trimEnd().split('\n').slice(-20).join('\n  ');
        reject(
          new Error(
            `Expected ${this.name} to write ${String(pattern)}, but ${why}. Its last lines:\n  ${tail}`,
          ),
        );
      };
      const check = (): void => {
        const found = find();
        if (found !== undefined) {
          settle();
          resolve(found);
        } else if (this.#exit !== undefined) {
          giveUp(`it ended with ${this.#exit.signal ?? `code ${this.#exit.code}`}`);
        }
      };
      const timer = setTimeout(() => giveUp(`not within ${timeoutMs} ms`), timeoutMs);
      this.#listeners.add(check);
      check();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
