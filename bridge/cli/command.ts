import { CommanderError, Option } from 'commander';
import { loadConfig } from '../config/load.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';

/** Options that every command has which needs the configuration. */
export interface ConfigFlags {
  readonly config?: string;
  readonly logLevel?: ResolvedConfig['logLevel'];
}

export const configOption = () =>
  new Option('-c, --config <file>', 'the configuration; found upwards from here where not given');

export const logLevelOption = () =>
  new Option('--log-level <level>', "how much is logged (default: the config's `logLevel`)").choices([
    'debug',
    'info',
    'warn',
    'error',
    'silent',
  ]);

export const jsonOption = () =>
  new Option('--json', 'one JSON object a line, with names that stay (docs/commands.md)');

export async function configFrom(flags: ConfigFlags): Promise<ResolvedConfig> {
  const config = await loadConfig(flags.config === undefined ? {} : { file: flags.config });
  return flags.logLevel === undefined ? config : { ...config, logLevel: flags.logLevel };
}

/** The exit code of a command that has done its work and found something for somebody to do. */
export const FOUND_SOMETHING = 3;

/** One clear message, and the exit code that fits. */
export function report(error: unknown): void {
  if (error instanceof CommanderError) {
    // Help and version end here too, and are no error.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  // By name: a config that tsx loaded may bring its own copy of the class.
  const code =
    error instanceof Error && error.name === 'BridgeError' ? (error as { code?: string }).code : undefined;
  if (code === undefined && error instanceof Error && error.stack !== undefined)
    process.stderr.write(`${error.stack}\n`);
  else process.stderr.write(`${code === undefined ? '' : `${code}: `}${messageOf(error)}\n`);
  process.exitCode = code === 'KTB_CONFIG' || code === 'KTB_USAGE' ? 2 : 1;
}

/**
 * A signal that Ctrl-C or a SIGTERM fires: what is under way ends in order. The second one ends the process at once. To be
 * disposed of.
 */
export function interruption(): { readonly signal: AbortSignal; [Symbol.dispose](): void } {
  const interrupted = new AbortController();
  const onSignal = (): void => {
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  return {
    signal: interrupted.signal,
    [Symbol.dispose]: () => {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onSignal);
    },
  };
}

/** What a long-running command is ended by. */
export interface Closable {
  close(): Promise<void>;
}

/**
 * The first SIGTERM or SIGINT ends it in order, the second at once. Resolves when it was ended by a signal and has
 * closed.
 */
export function closeOnSignal(it: Closable): Promise<void> {
  return new Promise((resolve, reject) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (asked) process.exit(signal === 'SIGINT' ? 130 : 143);
      asked = true;
      it.close().then(resolve, reject);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal);
  });
}
