/**
 * `npm run mutants`: bugs that the property tests must find. Each `test/mutants/*.patch` says in its header what is wrong
 * and which test files must notice; it is applied to a scratch copy, and these tests must fail there. `--only <name>`, or what
 * names begin with: `--only producer`.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** What the tests of the mutants need, and no more. */
const COPIED = ['workflows', 'bridge', 'activities', 'test', 'package.json', 'tsconfig.json'];
/** A bug may make a loop endless: that is found, too. */
const TIMEOUT_MS = 60_000;

interface Mutant {
  readonly name: string;
  readonly patch: string;
  readonly tests: readonly string[];
}

const root = fileURLToPath(new URL('../', import.meta.url));
const folder = join(root, 'test', 'mutants');
const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const mutants = readdirSync(folder)
  .filter((file) => file.endsWith('.patch'))
  .sort()
  .map((file): Mutant => {
    const patch = join(folder, file);
    const tests = /^tests: (.+)$/m.exec(readFileSync(patch, 'utf8'))?.[1]?.split(' ') ?? [];
    return { name: basename(file, '.patch'), patch, tests };
  })
  .filter(({ name }) => only === undefined || name === only || name.startsWith(`${only}-`));

const scratch = mkdtempSync(join(tmpdir(), 'ktb-mutants-'));
try {
  for (const name of COPIED) cpSync(join(root, name), join(scratch, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
  process.exitCode = main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function main(): number {
  if (mutants.length === 0) return fail(`Expected \`--only\` to be a patch in test/mutants, got ${only}`);
  // Tests that fail anyway would find everything.
  const all = [...new Set(mutants.flatMap(({ tests }) => tests))];
  if (testsFail(all)) return fail(`Expected these tests to pass without a mutant: ${all.join(' ')}`);
  let missed = 0;
  for (const mutant of mutants) {
    const began = Date.now();
    const what = verdict(mutant);
    if (what !== 'found') missed += 1;
    const seconds = ((Date.now() - began) / 1_000).toFixed(1);
    process.stdout.write(`${what.padEnd(15)} ${mutant.name} (${seconds} s)\n`);
  }
  process.stdout.write(`${mutants.length - missed} found, ${missed} missed\n`);
  return missed > 0 ? 1 : 0;
}

function verdict({ patch, tests }: Mutant): 'found' | 'missed' | 'does not apply' | 'names no tests' {
  if (tests.length === 0) return 'names no tests';
  if (run('git', ['apply', patch]) !== 0) return 'does not apply';
  try {
    return testsFail(tests) ? 'found' : 'missed';
  } finally {
    run('git', ['apply', '--reverse', patch]);
  }
}

function testsFail(tests: readonly string[]): boolean {
  return (
    run(process.execPath, [
      join('node_modules', 'ava', 'entrypoints', 'cli.mjs'),
      '--fail-fast',
      ...tests,
    ]) !== 0
  );
}

function run(command: string, args: readonly string[]): number {
  const { status } = spawnSync(command, args, {
    cwd: scratch,
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
    // The scratch copy is no repository, and must not be taken for a part of one.
    env: { ...process.env, KTB_MUTANT: '1', GIT_CEILING_DIRECTORIES: tmpdir() },
  });
  return status ?? 1;
}

function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}
