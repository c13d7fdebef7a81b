import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BridgeError, messageOf } from '../errors.js';
import { reapProcess } from './reaper.js';

/** What `ready` may ask. */
export interface ReadyProbe {
  /** Aborts at the deadline, when the process has exited, and when the caller gives up. */
  readonly signal: AbortSignal;
  /** What the process has written since it was started. */
  log(): Promise<string>;
}

export interface ManagedServerOptions {
  /** As it stands in messages: "Kafka". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to our own environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** @default our own */
  readonly cwd?: string;
  /** Whose process it is, for a server that refuses to run as root. @default ours */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** The ports of 127.0.0.1 that it listens on, by purpose. */
  readonly ports: Readonly<Record<string, number>>;
  /** Both outputs are appended to this file. */
  readonly logFile: string;
  /** Resolves once the server can be used. */
  readonly ready: (probe: ReadyProbe) => Promise<void>;
  /** @default 60_000 */
  readonly readyTimeoutMs?: number;
}

/** How a process ended: one of the two is null. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<ExitStatus>;
  readonly logOffset: number;
  status: ExitStatus | undefined;
}

/** A server in a process of its own, which may be signalled, stopped, and started again on the same ports and data. */
export class ManagedServer {
  readonly name: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly logFile: string;
  readonly #options: ManagedServerOptions;
  #running: Running;

  private constructor(options: ManagedServerOptions) {
    this.name = options.name;
    this.ports = options.ports;
    this.logFile = options.logFile;
    this.#options = options;
    this.#running = this.#spawn();
  }

  /**
   * Starts the process and waits until it is ready.
   * @throws BridgeError `KTB_LOCAL_STACK` with the last log lines when it exits before that or takes too long; the
   * signal's reason when it aborts. The process is gone then.
   */
  static async start(options: ManagedServerOptions, signal?: AbortSignal): Promise<ManagedServer> {
    signal?.throwIfAborted();
    const server = new ManagedServer(options);
    await server.#waitUntilReady(signal);
    return server;
  }

  /** The pid of the present process, or of the last one. */
  get pid(): number {
    return this.#running.child.pid ?? -1;
  }

  get running(): boolean {
    return this.#running.status === undefined;
  }

  /** Resolves when the present process has ended. After `restart` this is another promise. */
  get exited(): Promise<ExitStatus> {
    return this.#running.exited;
  }

  /** Sends a signal, SIGSTOP, SIGCONT and SIGKILL included. @returns false when the process has ended */
  signal(name: NodeJS.Signals): boolean {
    return this.running && this.#running.child.kill(name);
  }

  /**
   * SIGTERM, and SIGKILL at the deadline. Resolves when the process is gone; calling it again does no harm.
   * @param options `timeoutMs` until SIGKILL, default 10,000
   */
  async stop(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { exited } = this.#running;
    this.signal('SIGTERM');
    // One that was stopped with SIGSTOP would never see it.
    if (process.platform !== 'win32') this.signal('SIGCONT');
    const timer = setTimeout(() => this.signal('SIGKILL'), options.timeoutMs ?? 10_000);
    await exited;
    clearTimeout(timer);
  }

  /** Starts it again, on the same ports and data, after stopping it if it still runs. Throws as `start` does. */
  async restart(options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.stop(options);
    options.signal?.throwIfAborted();
    this.#running = this.#spawn();
    await this.#waitUntilReady(options.signal);
  }

  #spawn(): Running {
    const { command, args, cwd, env, user, logFile } = this.#options;
    mkdirSync(dirname(logFile), { recursive: true });
    const log = openSync(logFile, 'a');
    try {
      const child = spawn(command, args, {
        cwd,
        ...user,
        env: { ...process.env, ...env },
        // A file and no pipe: it holds whatever comes, and nobody has to read for the server to go on.
        stdio: ['ignore', log, log],
        // Ctrl-C goes to the whole foreground group; servers must outlive our own draining.
        detached: process.platform !== 'win32',
        windowsHide: true,
      });
      const forget = child.pid === undefined ? undefined : reapProcess(child.pid);
      const exited = new Promise<ExitStatus>((resolve) => {
        child.once('error', () => {
          if (child.pid === undefined) resolve({ code: 127, signal: null });
        });
        child.once('exit', (code, signal) => resolve({ code, signal }));
      });
      const running: Running = { child, exited, logOffset: fstatSync(log).size, status: undefined };
      void exited.then((status) => {
        running.status = status;
        forget?.();
      });
      return running;
    } finally {
      closeSync(log);
    }
  }

  async #waitUntilReady(signal?: AbortSignal): Promise<void> {
    const running = this.#running;
    const timeoutMs = this.#options.readyTimeoutMs ?? 60_000;
    const controller = new AbortController();
    const giveUp = (): void => controller.abort(signal?.reason);
    signal?.addEventListener('abort', giveUp, { once: true });
    if (signal?.aborted === true) giveUp();
    const timer = setTimeout(
      () => controller.abort(new Error(`it was not ready after ${timeoutMs} ms`)),
      timeoutMs,
    );
    void running.exited.then(({ code, signal: by }) => {
      controller.abort(new Error(`it ended with ${by ?? `code ${code}`} before it was ready`));
    });
    try {
      // A probe that hangs in a call which knows no signal must not outlast the deadline.
      const aborted = new Promise<never>((_, reject) => {
        controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
      });
      const log = async (): Promise<string> => readFrom(this.logFile, running.logOffset);
      controller.signal.throwIfAborted();
      await Promise.race([this.#options.ready({ signal: controller.signal, log }), aborted]);
    } catch (error) {
      const why = controller.signal.aborted ? (controller.signal.reason as unknown) : error;
      running.child.kill('SIGKILL');
      await running.exited;
      signal?.throwIfAborted();
      throw await this.#startFailure(running, why);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
    }
  }

  async #startFailure(running: Running, cause: unknown): Promise<BridgeError> {
    const log = await readFrom(this.logFile, running.logOffset).catch(() => '');
    const tail = log.trimEnd().split('\n').slice(-15).join('\n  ');
    const last = tail === '' ? 'It wrote nothing' : `Its last lines:\n  ${tail}`;
    const message = `${this.name} did not start: ${messageOf(cause)} (log: ${this.logFile}). ${last}`;
    return new BridgeError('KTB_LOCAL_STACK', message, { cause });
  }
}

/** At most the last 256 KiB of what a file holds from an offset on. */
async function readFrom(path: string, offset: number): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const from = Math.max(offset, size - 262_144);
    const buffer = Buffer.alloc(Math.max(size - from, 0));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
