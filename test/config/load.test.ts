import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import anyTest from 'ava';
import type { TestFn } from 'ava';
import { findConfigFile, loadConfig, loadModule } from '../../bridge/config/load.js';
import { BASE } from './base-config.js';

const test = anyTest as TestFn<{ folder: string }>;

test.beforeEach(async (t) => {
  t.context.folder = await realpath(await mkdtemp(path.join(tmpdir(), 'ktb-load-')));
  await put(t.context.folder, 'package.json', '{"type":"module"}');
});
test.afterEach.always((t) => rm(t.context.folder, { recursive: true, force: true }));

async function put(folder: string, name: string, content: string): Promise<string> {
  const file = path.join(folder, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}

const config = JSON.stringify(BASE);

test('a TypeScript config is found upwards, and its paths start from its folder', async (t) => {
  const { folder } = t.context;
  await put(folder, 'names.ts', "enum Name { A = 'from-ts' }\nexport const name: string = Name.A;");
  const file = await put(
    folder,
    'temporal.config.ts',
    `import { name } from './names.js';\nexport default { ...${config}, name, worker: { workflowsPath: './w' } };`,
  );
  await put(folder, 'a/b/x.txt', '');
  t.is(findConfigFile(path.join(folder, 'a/b')), file);
  const loaded = await loadConfig({ cwd: path.join(folder, 'a/b'), env: {} });
  t.like(loaded, { name: 'from-ts', file, baseDir: folder });
  t.is(loaded.worker.workflowsPath, path.join(folder, 'w'));
});

test('a JavaScript config, a named export and a CommonJS project do too', async (t) => {
  const { folder } = t.context;
  await put(folder, 'mjs/temporal.config.mjs', `export const config = ${config};`);
  await put(folder, 'cjs/package.json', '{"type":"commonjs"}');
  await put(folder, 'cjs/temporal.config.ts', `export default ${config};`);
  await put(folder, 'cjs-js/package.json', '{"type":"commonjs"}');
  await put(folder, 'cjs-js/temporal.config.js', `module.exports = ${config};`);
  for (const name of ['mjs', 'cjs', 'cjs-js']) {
    t.is((await loadConfig({ cwd: path.join(folder, name), env: {} })).name, 'orders', name);
  }
});

test('a config is loaded anew each time', async (t) => {
  const { folder } = t.context;
  await put(folder, 'temporal.config.ts', `export default { ...${config}, name: 'first' };`);
  t.is((await loadConfig({ cwd: folder, env: {} })).name, 'first');
  await put(folder, 'temporal.config.ts', `export default { ...${config}, name: 'second' };`);
  t.is((await loadConfig({ cwd: folder, env: {} })).name, 'second');
});

test('a config that is nowhere says where it was looked for and what to do', async (t) => {
  const { folder } = t.context;
  await t.throwsAsync(loadConfig({ cwd: folder, env: {} }), {
    code: 'KTB_CONFIG',
    message: `Found no temporal.config.ts (nor temporal.config.mts, temporal.config.js, temporal.config.mjs) in ${folder} or a folder above it. Create one that exports \`defineConfig({ ... })\` as its default, or name another file with --config.`,
  });
  await t.throwsAsync(loadConfig({ cwd: folder, file: 'other.ts', env: {} }), {
    code: 'KTB_CONFIG',
    message: `Expected a config file at ${path.join(folder, 'other.ts')}, found none`,
  });
});

test('a config that fails to load says why', async (t) => {
  const { folder } = t.context;
  const file = await put(folder, 'broken.ts', "throw new Error('no such secret');");
  const error = await t.throwsAsync(loadConfig({ cwd: folder, file: 'broken.ts', env: {} }), {
    code: 'KTB_CONFIG',
    message: `Can't load ${file}: no such secret`,
  });
  t.is((error!.cause as Error).message, 'no such secret');
  await put(folder, 'syntax.ts', 'export default {');
  await t.throwsAsync(loadConfig({ cwd: folder, file: 'syntax.ts', env: {} }), {
    code: 'KTB_CONFIG',
    message: /^Can't load /,
  });
});

test('a config that exports nothing, or the wrong thing, is named', async (t) => {
  const { folder } = t.context;
  const nothing = await put(folder, 'nothing.ts', 'export const x = 1;');
  await t.throwsAsync(loadConfig({ file: nothing, env: {} }), {
    message: `Expected ${nothing} to export the config as its default, or as \`config\`, got neither`,
  });
  const wrong = await put(folder, 'wrong.ts', `export default { ...${config}, name: 7 };`);
  await t.throwsAsync(loadConfig({ file: wrong, env: {} }), {
    code: 'KTB_CONFIG',
    message: `${wrong}:\nExpected \`name\` to be 1 to 64 letters, digits, '.', '_' or '-', got 7`,
  });
});

test('a module is found with and without ending, by .js for .ts, and as a folder', async (t) => {
  const { folder } = t.context;
  await put(
    folder,
    'acts/index.ts',
    'export async function pay(event: unknown): Promise<unknown> { return event; }',
  );
  await put(folder, 'plain.js', 'export const pay = () => 1;');
  for (const name of ['acts', 'acts/index', 'acts/index.ts', 'acts/index.js', 'plain', 'plain.js']) {
    t.is(typeof (await loadModule(path.join(folder, name)))['pay'], 'function', name);
  }
  await t.throwsAsync(loadModule(path.join(folder, 'none')), {
    code: 'KTB_CONFIG',
    message: /^Expected a module at /,
  });
});
