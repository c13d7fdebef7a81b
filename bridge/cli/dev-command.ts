import { createWriteStream, existsSync, watch, type FSWatcher, type WriteStream } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { ResolvedConfig } from '../config/resolved.js';
import { loadConfig } from '../config/load.js';
import { resolveModulePath } from '../config/load-module.js';
import { BridgeError } from '../errors.js';
import { startLocalStack, type LocalStack } from '../local-stack/local-stack.js';
import { reapProcess } from '../local-stack/reaper.js';
import { createLogger } from '../observe/logger.js';
import { terminalProgress, type Progress } from '../observe/progress.js';
import { registerSearchAttributes } from '../operate/setup.js';
import { createMissingTopics } from '../operate/topics.js';
import { configOption, type ConfigFlags } from './command.js';

interface DevFlags extends ConfigFlags {
  readonly keep?: boolean;
  readonly exec?: string;
  readonly ui: boolean;
}

/** Partitions of the topics that it creates. */
const PARTITIONS = 8;
const RESTART_AFTER_MS = 200;
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  worker: ['worker'],
  bridge: ['bridge', '--report-every', '1'],
};

export function devCommand(): Command {
  return new Command('dev')
    .description('A local Kafka and Temporal with its UI, and bridge and worker with them, in one terminal.')
    .addOption(configOption())
    .option('--keep', 'keep the data for the next time (default: thrown away at the end)')
    .option('--exec <command>', 'run a command against the stack, end with its exit code')
    .option('--no-ui', "without Temporal's UI")
    .addHelpText(
      'after',
      `
The first start fetches what is missing (Kafka's jars by Maven, Temporal by its CLI or by Go) into the cache folder
(KTB_CACHE_DIR). A change of workflows or activities restarts the worker, one of the config the bridge too. Ctrl-C ends everything.
The command of --exec finds KAFKA_BROKERS, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, KTB_UI_URL and KTB_LOG_DIR set.

Examples:
  ktb dev
  ktb dev --keep
  ktb dev --exec "npm run seed && npm run check"`,
    )
    .action(async (flags: DevFlags) => {
      process.exitCode = await dev(flags);
      process.exit();
    });
}

async function dev(flags: DevFlags): Promise<number> {
  const progress = terminalProgress();
  const ended = new AbortController();
  let interrupted = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (++interrupted > 1) process.exit(130);
      ended.abort();
    });
  }
  const config = await loadConfig(flags.config === undefined ? {} : { file: flags.config });
  if (config.file === undefined)
    throw new BridgeError('KTB_USAGE', 'Expected the configuration to come from a file');
  const stack = await startLocalStack({
    ui: flags.ui,
    keep: flags.keep ?? false,
    temporal: { namespace: config.temporal.namespace },
    progress,
    signal: ended.signal,
  }).catch((error: unknown) => {
    if (!ended.signal.aborted) throw error;
  });
  if (!stack) return 130;
  const session = new DevSession(config.file, stack, progress);
  try {
    await session.start();
    if (ended.signal.aborted) return 130;
    if (flags.exec !== undefined) return await session.exec(flags.exec, ended.signal);
    await new Promise((resolve) => ended.signal.addEventListener('abort', resolve, { once: true }));
    return 0;
  } finally {
    await session.stop();
    const step = progress.step('Stopping the local stack');
    await stack.stop();
    step.done();
  }
}

/** Bridge and worker as processes of their own, as in production: so a change restarts the one that it concerns. */
class DevSession {
  readonly #file: string;
  readonly #stack: LocalStack;
  readonly #progress: Progress;
  readonly #children = new Map<string, ChildProcess>();
  readonly #logs = new Map<string, WriteStream>();
  readonly #watchers: FSWatcher[] = [];
  #restart: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(file: string, stack: LocalStack, progress: Progress) {
    this.#file = file;
    this.#stack = stack;
    this.#progress = progress;
  }

  async start(): Promise<void> {
    const config = await loadConfig({ file: this.#file, env: this.#env });
    const step = this.#progress.step('Setting up topics and search attributes');
    await registerSearchAttributes(config.temporal);
    const created = await createMissingTopics(
      config,
      PARTITIONS,
      createLogger({ name: 'dev', level: 'silent' }),
    );
    step.done(created.length === 0 ? 'all there' : `created ${created.join(', ')}`);
    for (const [name, args] of Object.entries(COMMANDS)) this.#spawn(name, args);
    this.#watch(config);
    const { kafka, temporal, ui } = this.#stack;
    process.stderr.write(
      `\nKafka     ${kafka.brokers.join(', ')}\nTemporal  ${temporal.address}, namespace ${temporal.namespace}\n` +
        `UI        ${ui?.url ?? 'none'}\nLogs      ${this.#stack.dataDir}\n\n`,
    );
  }

  /** The command's exit code. */
  exec(command: string, signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      // The shell is not the command: a group of its own ends with all that is in it. On a terminal the group is the
      // terminal's, so that the command may read from it, and Ctrl-C reaches all of it anyway.
      const ownGroup = process.platform !== 'win32' && !process.stdin.isTTY;
      const child = spawn(command, { shell: true, stdio: 'inherit', env: this.#env, detached: ownGroup });
      const forget = child.pid === undefined ? undefined : reapProcess(child.pid);
      const end = () => {
        try {
          if (child.pid !== undefined) process.kill(ownGroup ? -child.pid : child.pid, 'SIGTERM');
        } catch {
          // It has just ended by itself.
        }
      };
      signal.addEventListener('abort', end, { once: true });
      child.once('error', reject);
      child.once('exit', (code, killedBy) => {
        forget?.();
        resolve(code ?? (killedBy === null ? 1 : 130));
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    for (const watcher of this.#watchers) watcher.close();
    await Promise.all([...this.#children.values()].map(ended));
    for (const log of this.#logs.values()) log.end();
  }

  get #env(): NodeJS.ProcessEnv {
    const { kafka, temporal, ui, dataDir } = this.#stack;
    return {
      ...process.env,
      KAFKA_BROKERS: kafka.brokers.join(','),
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      KTB_LOG_DIR: dataDir,
      ...(ui ? { KTB_UI_URL: ui.url } : {}),
    };
  }

  #spawn(name: string, args: readonly string[]): void {
    const command = cliCommand([...args, '--config', this.#file]);
    const child = spawn(process.execPath, command, { env: this.#env, stdio: ['ignore', 'inherit', 'pipe'] });
    const forget = child.pid === undefined ? undefined : reapProcess(child.pid);
    this.#children.set(name, child);
    let log = this.#logs.get(name);
    if (!log)
      this.#logs.set(
        name,
        (log = createWriteStream(join(this.#stack.dataDir, `${name}.log`), { flags: 'a' })),
      );
    child.stderr.pipe(log, { end: false });
    child.stderr.on('data', troublePrinter(name));
    child.once('exit', (code) => {
      forget?.();
      if (this.#stopping || this.#children.get(name) !== child) return;
      process.stderr.write(
        `${name} ended with code ${code}; its log is ${join(this.#stack.dataDir, `${name}.log`)}\n`,
      );
      if (code !== 0) this.#scheduleRestart(name, args, 2_000);
    });
  }

  #watch(config: ResolvedConfig): void {
    const { workflowsPath, activities } = config.worker;
    const folders = new Set<string>();
    for (const path of [workflowsPath, typeof activities === 'string' ? activities : undefined]) {
      const file = path === undefined ? undefined : resolveModulePath(path);
      if (file !== undefined && existsSync(file)) folders.add(dirname(file));
    }
    const concerned = new Set<string>();
    const changed = (...names: readonly string[]) => {
      if (this.#stopping) return;
      for (const name of names) concerned.add(name);
      clearTimeout(this.#restart);
      this.#restart = setTimeout(() => {
        void this.#restartAll([...concerned]);
        concerned.clear();
      }, RESTART_AFTER_MS);
    };
    for (const folder of folders)
      this.#watchers.push(watch(folder, { recursive: true }, () => changed('worker')));
    const file = config.file;
    // Routes concern both.
    if (file !== undefined) this.#watchers.push(watch(file, () => changed('worker', 'bridge')));
  }

  async #restartAll(names: readonly string[]): Promise<void> {
    const step = this.#progress.step(`Something changed: restarting ${names.join(' and ')}`);
    await Promise.all(
      names.map(async (name) => {
        const child = this.#children.get(name);
        this.#children.delete(name);
        if (child) await ended(child);
        if (!this.#stopping) this.#spawn(name, COMMANDS[name]!);
      }),
    );
    step.done();
  }

  #scheduleRestart(name: string, args: readonly string[], afterMs: number): void {
    setTimeout(() => {
      if (!this.#stopping) this.#spawn(name, args);
    }, afterMs).unref();
  }
}

/** This very command, as sources by tsx or as compiled files. */
function cliCommand(args: readonly string[]): string[] {
  const compiled = fileURLToPath(new URL('./main.js', import.meta.url));
  if (existsSync(compiled)) return [compiled, ...args];
  return ['--import', import.meta.resolve('tsx'), compiled.replace(/\.js$/, '.ts'), ...args];
}

interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly reason?: string;
  readonly workflowId?: string;
  readonly temporal?: { readonly workflowId?: string };
}

/** From their JSON logs only what somebody should see now: warnings and errors. */
function troublePrinter(name: string): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      try {
        const { level, msg, reason, ...rest } = JSON.parse(line) as LogLine;
        if (level === 'warn' || level === 'error' || level === 'fatal') {
          const workflowId = rest.workflowId ?? rest.temporal?.workflowId;
          const about = [reason, workflowId].filter((part) => part !== undefined).join(', ');
          process.stderr.write(`${name} ${level}: ${msg}${about === '' ? '' : ` (${about})`}\n`);
        }
      } catch {
        process.stderr.write(`${name}: ${line}\n`);
      }
    }
  };
}

/** SIGTERM, and SIGKILL where that is not heard. */
function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
