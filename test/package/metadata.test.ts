import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const json = (name: string): unknown =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8'));

interface Locked {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly hasInstallScript?: boolean;
}

const { dependencies, allowScripts } = json('package.json') as {
  dependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};
const { packages } = json('package-lock.json') as { packages: Record<string, Locked> };
const nameOf = (path: string): string =>
  path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

test('what is patched or reached into is pinned exactly', (t) => {
  const pinned = Object.keys(dependencies).filter(
    (name) => name === 'kafkajs' || name.startsWith('@temporalio/'),
  );
  t.true(pinned.length > 5);
  for (const name of pinned) t.regex(dependencies[name]!, /^\d+\.\d+\.\d+$/, name);
  const temporal = pinned.filter((name) => name.startsWith('@temporalio/')).map((name) => dependencies[name]);
  t.is(new Set(temporal).size, 1, 'all of Temporal in one version');
});

test("the lock holds every platform's packages: `npm ci` refuses it otherwise", (t) => {
  const locked = new Set(Object.keys(packages).map(nameOf));
  const missing = Object.entries(packages).flatMap(([path, { version, optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !locked.has(name))
      .map((name) => `${name} of ${nameOf(path)}@${version}`),
  );
  t.deepEqual(missing, []);
});

test('every install script was looked at', (t) => {
  const scripts = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript === true);
  t.deepEqual(
    scripts.map(([path]) => nameOf(path)).filter((name) => !Object.hasOwn(allowScripts, name)),
    [],
  );
});
