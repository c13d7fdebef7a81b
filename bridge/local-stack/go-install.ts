import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError, messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { install, installed } from './cache.js';
import { findOnPath, runCommand } from './command.js';

export interface GoInstallOptions {
  /** Of the cache's folder: "temporal-ui-2.54.1". */
  readonly name: string;
  /** As it stands in the progress: "building Temporal's UI 2.54.1 (once, about 15 s)". */
  readonly title: string;
  /** With its version: "go.temporal.io/server/cmd/server@v1.32.1". The binary is called `server`. */
  readonly module: string;
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
  /** @default cacheDir() */
  readonly cache?: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Builds a Go program into the cache, once.
 * @returns the binary's path
 * @throws BridgeError `KTB_LOCAL_STACK`: no Go, a Go that is too old, or its last lines
 */
export async function goInstall(options: GoInstallOptions): Promise<string> {
  const { signal, cache, env = process.env } = options;
  const binary = process.platform === 'win32' ? 'server.exe' : 'server';
  const there = await installed(options.name, cache);
  if (there !== undefined) return join(there, binary);
  const go = await findOnPath('go', env);
  if (go === undefined) throw new BridgeError('KTB_LOCAL_STACK', 'no `go` on PATH');
  const progress = options.progress ?? silentProgress;
  const step = progress.step(options.title);
  let downloads = 0;
  let packages = 0;
  try {
    const folder = await install({
      name: options.name,
      cache,
      signal,
      onWait: (pid) => step.update(`process ${pid} is at it, waiting`),
      build: async (target) => {
        // Not /tmp: it is often a small file system in memory, and a build of the server wants a gigabyte.
        const temporary = join(target, 'tmp');
        await mkdir(temporary);
        // -v names each package once it is compiled: minutes would pass without a word otherwise.
        await runCommand(go, ['install', '-v', options.module], {
          cwd: target,
          env: { ...env, GOBIN: target, GOTMPDIR: temporary, GOOS: '', GOARCH: '' },
          signal,
          onLine: (line) => {
            const module = /^go: downloading (\S+)/.exec(line)?.[1];
            if (module !== undefined) step.update(`downloading, module ${++downloads}: ${module}`);
            else if (!line.startsWith('go:')) step.update(`compiling, package ${++packages}: ${line}`);
          },
        });
        await rm(temporary, { recursive: true, force: true });
      },
    });
    step.done();
    return join(folder, binary);
  } catch (error) {
    step.fail(signal?.aborted === true ? 'stopped' : messageOf(error).split('\n')[0]!);
    throw error;
  }
}
