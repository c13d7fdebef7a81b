import { statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { BridgeError } from '../errors.js';

const ENDINGS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'] as const;
const TYPESCRIPT = /\.[cm]?ts$/;

/**
 * The file that a path means: itself, with an ending that was left out, with the TypeScript ending where `.js` is written
 * for it, or the index of a folder. `undefined` where there is none.
 */
export function resolveModulePath(modulePath: string): string | undefined {
  const absolute = path.resolve(modulePath);
  const candidates = [
    absolute,
    ...ENDINGS.map((ending) => absolute + ending),
    ...(/\.[cm]?js$/.test(absolute) ? [absolute.replace(/js$/, 'ts')] : []),
    ...ENDINGS.map((ending) => path.join(absolute, `index${ending}`)),
  ];
  return candidates.find((one) => statSync(one, { throwIfNoEntry: false })?.isFile() === true);
}

/**
 * Imports a module of the user's, TypeScript or JavaScript, ESM or CommonJS, and gives its exports. The path may have no
 * ending, or be a folder with an index.
 *
 * @throws BridgeError `KTB_CONFIG` if there is no such module; what the module itself throws comes through as it is
 */
export async function loadModule(modulePath: string): Promise<Readonly<Record<string, unknown>>> {
  const file = resolveModulePath(modulePath);
  if (file === undefined) {
    throw new BridgeError(
      'KTB_CONFIG',
      `Expected a module at ${path.resolve(modulePath)} (with or without ending, or a folder with an index), found none`,
    );
  }
  const url = pathToFileURL(file).href;
  // Not Node's own type stripping, where there is one: it doesn't find `./x.ts` by `./x.js`, as TypeScript code is written.
  const loaded = (
    TYPESCRIPT.test(file) ? await tsImport(url, import.meta.url) : await import(url)
  ) as Readonly<Record<string, unknown>>;
  return unwrapped(loaded);
}

/** CommonJS that was compiled from ESM comes as `{ default: exports }`, where `exports` has the real default. */
function unwrapped(loaded: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const inner = loaded['default'];
  const isCompiled = typeof inner === 'object' && inner !== null && '__esModule' in inner;
  return isCompiled ? (inner as Readonly<Record<string, unknown>>) : loaded;
}
