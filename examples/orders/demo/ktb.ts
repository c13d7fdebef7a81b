/** Runs `ktb` as a user does on the command line. In a project of your own it is `npx ktb`. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { print } from './environment.js';

export const configFile = fileURLToPath(new URL('../../../temporal.config.ts', import.meta.url));

const cli = fileURLToPath(new URL('../../../bridge/cli/main.ts', import.meta.url));

/** For node: TypeScript sources need a loader. */
export const tsx: readonly string[] = ['--import', import.meta.resolve('tsx')];

/** Arguments of node. */
export function ktbCommand(args: readonly string[]): string[] {
  return [...tsx, cli, ...args, '--config', configFile];
}

/** Shows the command, and what it writes. @returns its exit code */
export function ktb(...args: readonly string[]): Promise<number> {
  print(`\n$ ktb ${args.map((one) => (/^[\w./:-]+$/.test(one) ? one : `"${one}"`)).join(' ')}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ktbCommand(args), { stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
