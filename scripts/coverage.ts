/**
 * `npm run coverage`: the unit tests under V8's coverage, and c8's report of it. In two steps, since c8 fails on what V8
 * notes of a module that has no file (a config in CommonJS, which tsx loads from a `data:` URL).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Coverage {
  result: { readonly url: string }[];
  'source-map-cache'?: Record<string, unknown>;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const notes = join(root, 'coverage', 'tmp');
rmSync(join(root, 'coverage'), { recursive: true, force: true });
mkdirSync(notes, { recursive: true });

const tests = run(['--import', 'tsx', 'test/run.ts', '--no-stack', ...process.argv.slice(2)], {
  NODE_V8_COVERAGE: notes,
});
for (const name of readdirSync(notes)) keepFiles(join(notes, name));
const report = run([join('node_modules', 'c8', 'bin', 'c8.js'), 'report', '--temp-directory', notes], {});
process.exitCode = tests || report;

function run(args: readonly string[], env: NodeJS.ProcessEnv): number {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return status ?? 1;
}

function keepFiles(path: string): void {
  let coverage: Coverage;
  try {
    coverage = JSON.parse(readFileSync(path, 'utf8')) as Coverage;
  } catch {
    rmSync(path); // its process was killed while it wrote
    return;
  }
  const isFile = (url: string): boolean => url.startsWith('file:');
  coverage.result = coverage.result.filter(({ url }) => isFile(url));
  const maps = Object.entries(coverage['source-map-cache'] ?? {}).filter(([url]) => isFile(url));
  coverage['source-map-cache'] = Object.fromEntries(maps);
  writeFileSync(path, JSON.stringify(coverage));
}
