/**
 * `npm run build`: the package's files in `dist/`. Plain tsc, since a bundler would break the paths that Temporal's own
 * bundler is given (`workflows/interceptors.js`); and our own workflows as one prebuilt bundle, so that no worker has to
 * build it at its start.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = join(root, 'dist');

// Beside the old one, which stays whole if this fails, or while somebody runs from it.
const fresh = mkdtempSync(join(root, '.dist-'));
try {
  compile(fresh);
  await bundle(fresh);
  chmodSync(join(fresh, 'bridge', 'cli', 'main.js'), 0o755);
  chmodSync(fresh, 0o755);
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function compile(outDir: string): void {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', outDir];
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) {
    rmSync(outDir, { recursive: true, force: true });
    process.exit(status ?? 1);
  }
}

/** Where bridge/own-worker.ts looks for it. */
async function bundle(outDir: string): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(outDir, 'workflows', 'index.js'),
    workflowInterceptorModules: [join(outDir, 'workflows', 'own-interceptors.js')],
    // Warnings and errors only: a build has nothing else to say.
    logger: new DefaultLogger('WARN'),
  });
  writeFileSync(join(outDir, 'own-workflows.cjs'), code);
}
