import { existsSync } from 'node:fs';
import path from 'node:path';
import { BridgeError } from '../errors.js';
import { thrownText } from '../intake/one-line.js';
import { loadModule } from './load-module.js';
import { shown } from './problems.js';
import { resolveConfig } from './resolve.js';
import type { ResolvedConfig } from './resolved.js';
import type { BridgeConfig } from './types.js';

export { loadModule } from './load-module.js';

/** In the order in which they are looked for, in each folder. */
const CONFIG_FILES: readonly string[] = [
  'temporal.config.ts',
  'temporal.config.mts',
  'temporal.config.js',
  'temporal.config.mjs',
];

export interface LoadOptions {
  /** A path from `cwd`. @default the nearest `temporal.config.*`, from `cwd` upwards */
  readonly file?: string;
  /** @default process.cwd() */
  readonly cwd?: string;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The nearest config file, from a folder upwards. */
export function findConfigFile(from: string): string | undefined {
  for (let folder = path.resolve(from); ; folder = path.dirname(folder)) {
    const found = CONFIG_FILES.map((name) => path.join(folder, name)).find((file) => existsSync(file));
    if (found !== undefined) return found;
    if (folder === path.dirname(folder)) return undefined;
  }
}

/**
 * Loads, validates and resolves a config file.
 *
 * @throws BridgeError `KTB_CONFIG` if it isn't found, fails to load, exports no config, or a wrong one
 */
export async function loadConfig(options: LoadOptions = {}): Promise<ResolvedConfig> {
  const cwd = path.resolve(options.cwd ?? process.cwd());
  const file = options.file === undefined ? searched(cwd) : named(cwd, options.file);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await loadModule(file);
  } catch (error) {
    throw new BridgeError('KTB_CONFIG', `Can't load ${file}: ${thrownText(error)}`, { cause: error });
  }
  const config = exported['default'] ?? exported['config'];
  if (typeof config !== 'object' || config === null) {
    const got = config === undefined ? 'neither' : shown(config);
    throw new BridgeError(
      'KTB_CONFIG',
      `Expected ${file} to export the config as its default, or as \`config\`, got ${got}`,
    );
  }
  try {
    return resolveConfig(config as BridgeConfig, { baseDir: path.dirname(file), file, env: options.env });
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    throw new BridgeError(error.code, `${file}:\n${error.message}`, { cause: error.cause });
  }
}

function named(cwd: string, given: string): string {
  const file = path.resolve(cwd, given);
  if (existsSync(file)) return file;
  throw new BridgeError('KTB_CONFIG', `Expected a config file at ${file}, found none`);
}

function searched(cwd: string): string {
  const file = findConfigFile(cwd);
  if (file !== undefined) return file;
  const [first, ...others] = CONFIG_FILES;
  throw new BridgeError(
    'KTB_CONFIG',
    `Found no ${first} (nor ${others.join(', ')}) in ${cwd} or a folder above it. ` +
      'Create one that exports `defineConfig({ ... })` as its default, or name another file with --config.',
  );
}
