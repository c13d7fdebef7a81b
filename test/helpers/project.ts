import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reapFolder } from '../../bridge/local-stack/reaper.js';

export interface ProjectSources {
  /** `temporal.config.ts`. */
  readonly config: string;
  /** `workflows/index.ts`. */
  readonly workflows?: string;
  /** `activities/index.ts`. */
  readonly activities?: string;
  /** Further files by path: `{ 'lib/codec.ts': '...' }`. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A small user's project: removed by `remove()`, and at the latest when this process ends. */
export interface Project extends Disposable {
  readonly dir: string;
  /** For `--config`. */
  readonly configPath: string;
  /** Writes or overwrites a file. @returns its path */
  write(path: string, text: string): string;
  remove(): void;
}

const repository = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Writes a user's project into `.ktb/tmp/` of the repository, so that its imports of `@temporalio/*` are resolved to
 * ours, by Node and by Temporal's bundler alike. `kafka-temporal-bridge` is resolved to a small package of its own
 * `node_modules`, which exports our sources: not a link to the repository, whose `exports` name the built files.
 * Its workflows import nothing of it but types and `kafka-temporal-bridge/workflow` (as any user's).
 */
export function writeProject(sources: ProjectSources): Project {
  const parent = join(repository, '.ktb', 'tmp');
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, 'project-'));
  const forget = reapFolder(dir);
  const write = (path: string, text: string): string => {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  write('package.json', `${JSON.stringify({ name: 'a-users-project', private: true, type: 'module' })}\n`);
  const ours = join('node_modules', 'kafka-temporal-bridge');
  const toSources = relative(join(dir, ours), join(repository, 'bridge')).split(sep).join('/');
  const exports = { '.': './index.js', './postgres': './postgres.js', './workflow': './workflow.js' };
  write(
    join(ours, 'package.json'),
    `${JSON.stringify({ name: 'kafka-temporal-bridge', type: 'module', exports })}\n`,
  );
  write(join(ours, 'index.js'), `export * from '${toSources}/index.ts';\n`);
  write(join(ours, 'postgres.js'), `export * from '${toSources}/postgres.ts';\n`);
  write(join(ours, 'workflow.js'), `export * from '${toSources}/../workflows/workflow-code.ts';\n`);
  const configPath = write('temporal.config.ts', sources.config);
  write('workflows/index.ts', sources.workflows ?? 'export {};\n');
  write('activities/index.ts', sources.activities ?? 'export {};\n');
  for (const [path, text] of Object.entries(sources.files ?? {})) write(path, text);
  const remove = (): void => {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    forget();
  };
  return { dir, configPath, write, remove, [Symbol.dispose]: remove };
}
