import { join } from 'node:path';
import { messageOf } from '../errors.js';
import { findOnPath, isExecutable, runCommand } from './command.js';

/** What Kafka 4's broker asks for. */
export const MIN_JAVA = 17;

export interface FoundJava {
  /** The `java` to run; `undefined` when there is none of the wanted version. */
  readonly path: string | undefined;
  /** `JAVA_HOME` of the one found. */
  readonly home: string | undefined;
  /** Where was looked, and what was found: for a message. */
  readonly looked: readonly string[];
}

/** Java 17 or newer, by JAVA_HOME, else PATH. */
export async function findJava(signal?: AbortSignal, env = process.env): Promise<FoundJava> {
  const looked: string[] = [];
  const home = env['JAVA_HOME'];
  const program = process.platform === 'win32' ? 'java.exe' : 'java';
  const candidates: [string, string | undefined, string | undefined][] = [
    ['JAVA_HOME', home === undefined || home === '' ? undefined : join(home, 'bin', program), home],
    ['PATH', await findOnPath('java', env), undefined],
  ];
  for (const [where, path, javaHome] of candidates) {
    if (path === undefined || !(await isExecutable(path))) {
      looked.push(`${where}: ${path === undefined ? 'no java' : `${path} can't be run`}`);
      continue;
    }
    try {
      const lines = await runCommand(path, ['-version'], { timeoutMs: 20_000, signal });
      // "17.0.15", "21", and "1.8.0_402" of old.
      const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(lines.join('\n')) ?? [];
      const version = first === '1' ? Number(second) : Number(first);
      if (version >= MIN_JAVA) return { path, home: javaHome, looked };
      looked.push(`${where}: ${path} is version ${Number.isNaN(version) ? 'unknown' : version}`);
    } catch (error) {
      signal?.throwIfAborted();
      looked.push(`${where}: ${messageOf(error)}`);
    }
  }
  return { path: undefined, home: undefined, looked };
}
