/**
 * The test command: unit tests, then integration tests on one local stack. Everything that ava prints stays as it is;
 * the last line is `N passed, N failed`.
 *
 *     npm test                                  everything
 *     npm test -- --no-stack                    unit tests only
 *     npm test -- test/integration/once.test.ts --match '*twice*'
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startLocalStack, type LocalStack } from '../bridge/local-stack/local-stack.js';
import { terminalProgress } from '../bridge/observe/progress.js';
import { describeStack, STACK_VARIABLE } from './helpers/stack.js';
import { countRun, leftOut, total, type AvaRun, type AvaStats, type Count } from './run-result.js';

interface Phase {
  readonly name: 'unit' | 'integration';
  readonly files: readonly string[];
  readonly avaArgs: readonly string[];
}

/** Fixtures look like tests and aren't; scenarios are what `npm run soak` runs at full size. */
const NEVER = ['!test/fixtures/**', '!test/**/fixtures/**', '!test/faults/scenarios/**'];
const UNIT: Phase = {
  name: 'unit',
  files: ['test/**/*.test.ts', '!test/integration/**', '!test/**/*.integration.test.ts', ...NEVER],
  avaArgs: [],
};
/** Outages, restarts and visibility take their time; a test that hangs is still found. */
const INTEGRATION: Phase = {
  name: 'integration',
  files: ['test/integration/**/*.test.ts', 'test/**/*.integration.test.ts', ...NEVER],
  avaArgs: ['--concurrency', '2', '--timeout', '10m'],
};

const root = fileURLToPath(new URL('../', import.meta.url));
const stopping = new AbortController();
let ava: ChildProcess | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stopping.abort(new Error(`stopped by ${signal}`));
    // It ends its workers and names the tests that were pending.
    ava?.kill('SIGINT');
  });
}

async function main(argv: readonly string[]): Promise<number> {
  const { files, forwarded, matching, withStack } = parse(argv);
  const unit = files.filter((file) => !isIntegration(file));
  const integration = files.filter((file) => isIntegration(file) || holdsIntegration(file));
  const phases: [Phase, readonly string[]][] = [];
  if (files.length === 0 || unit.length > 0) phases.push([UNIT, unit]);
  if (withStack && (files.length === 0 ? integrationTests().length > 0 : integration.length > 0)) {
    phases.push([INTEGRATION, integration]);
  }

  const counts: Count[] = [];
  const temporary = join(root, '.ktb', 'tmp');
  mkdirSync(temporary, { recursive: true });
  const results = mkdtempSync(join(temporary, 'run-'));
  let stack: LocalStack | undefined;
  try {
    for (const [phase, selected] of phases) {
      if (stopping.signal.aborted) break;
      if (phase === INTEGRATION) {
        say('\nBooting the local stack for the integration tests');
        stack = await startLocalStack({
          ports: 'free',
          ui: true,
          progress: terminalProgress(),
          signal: stopping.signal,
        });
      }
      const env = stack === undefined ? {} : { [STACK_VARIABLE]: describeStack(stack) };
      say(`\nRunning the ${phase.name} tests`);
      const run = await runAva(phase, [...forwarded, ...selected], env, join(results, `${phase.name}.json`));
      // `npm test -- test` with one of the two folders empty: the other one counts.
      const nothingSelected = files.length > 0 && run.stats === undefined && phases.length > 1;
      counts.push(nothingSelected ? { passed: 0, failed: 0 } : countRun({ ...run, matching }));
      const skipped = leftOut({ ...run, matching });
      if (skipped > 0) say(`Left out: ${skipped} tests. Is there a test.only?`);
    }
  } catch (error) {
    say(`\n${error instanceof Error ? error.message : String(error)}`);
    counts.push({ passed: 0, failed: 1 });
  } finally {
    rmSync(results, { recursive: true, force: true });
    await stack?.stop().catch((error: unknown) => {
      say(`The local stack could not be stopped: ${String(error)}`);
      counts.push({ passed: 0, failed: 1 });
    });
  }
  if (stopping.signal.aborted && counts.every(({ failed }) => failed === 0))
    counts.push({ passed: 0, failed: 1 });
  const { passed, failed } = total(counts);
  await new Promise<void>((written) =>
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`, () => written()),
  );
  return failed === 0 ? 0 : 1;
}

/** Runs ava over a phase's files, on our own stdout and stderr: what both print stays in its order, and coloured. */
async function runAva(
  phase: Phase,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  resultFile: string,
): Promise<Omit<AvaRun, 'matching'>> {
  const cli = join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const config = join(root, 'test', 'ava-run.config.js');
  const child = spawn(process.execPath, [cli, '--config', config, ...phase.avaArgs, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env, KTB_TEST_FILES: JSON.stringify(phase.files), KTB_TEST_RESULT: resultFile },
  });
  ava = child;
  const exitCode = await new Promise<number>((done) => {
    child.once('error', (error) => {
      say(`ava could not be started: ${error.message}`);
      done(1);
    });
    child.once('exit', (code) => done(code ?? 1));
  });
  ava = undefined;
  const stats = existsSync(resultFile)
    ? (JSON.parse(readFileSync(resultFile, 'utf8')) as AvaStats)
    : undefined;
  return { stats, exitCode };
}

interface Arguments {
  readonly files: readonly string[];
  /** Options for ava. */
  readonly forwarded: readonly string[];
  readonly matching: boolean;
  readonly withStack: boolean;
}

/** Options of ava's that take a value. */
const WITH_VALUE = new Set(['--match', '-m', '--timeout', '-T', '--concurrency', '-c', '--node-arguments']);

function parse(argv: readonly string[]): Arguments {
  const files: string[] = [];
  const forwarded: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!;
    if (argument === '--no-stack') continue;
    if (argument === '.') continue;
    if (!argument.startsWith('-')) files.push(relative(root, resolve(argument)));
    else if (WITH_VALUE.has(argument) && at + 1 < argv.length) forwarded.push(argument, argv[++at]!);
    else forwarded.push(argument);
  }
  const matching = forwarded.some((each) => /^(--match|-m)/.test(each));
  return { files, forwarded, matching, withStack: !argv.includes('--no-stack') };
}

function isIntegration(file: string): boolean {
  return /^test[\\/]integration([\\/]|$)|\.integration\.test\.ts/.test(file);
}

/** A folder or pattern that may reach into the integration tests too. */
function holdsIntegration(file: string): boolean {
  return /[*?{]/.test(file) || integrationTests().some((test) => test.startsWith(join(file, sep)));
}

function integrationTests(): string[] {
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => join('test', String(name)))
    .filter((name) => name.endsWith('.test.ts') && isIntegration(name));
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
