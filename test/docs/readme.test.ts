/** The README against the code: every option with its default, every outcome, command and variable, every link. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { program } from '../../bridge/cli/program.js';
import { DEFAULTS } from '../../bridge/config/defaults.js';
import { OUTCOMES } from '../../bridge/delivery/outcomes.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

/** How the README calls what an interface of types.ts holds. */
const PREFIXES: Readonly<Record<string, string>> = {
  BridgeConfig: '',
  KafkaOptions: 'kafka.',
  TemporalOptions: 'temporal.',
  WorkerSettings: 'worker.',
  BufferOptions: 'buffer.',
  QuarantineLimit: 'quarantineLimit.',
  CircuitOptions: 'circuit.',
  RouteBase: 'routes[].',
  WorkflowRoute: 'routes[].',
  ActivityRoute: 'routes[].',
  TargetRouteBase: 'routes[].',
  SignalRoute: 'routes[].',
  UpdateRoute: 'routes[].',
  StartOptions: 'options.',
  RetryOptions: 'retry.',
  SchemaRegistryDecoder: 'decoder.',
  CapacityOptions: 'capacity.',
  WorkflowTypeOptions: 'workflowTypes.<type>.',
  PressureOptions: 'pressure.',
  RateOptions: 'routes[].rate.',
  DemandOptions: 'routes[].demand.',
  RequestBudget: 'temporal.requests.',
  HttpOptions: 'http.',
  AlertOptions: 'alerts.',
  ProducerOptions: 'producer.',
  ProducerBufferOptions: 'producer.buffer.',
  ProducerCircuitOptions: 'producer.circuit.',
  SpillOptions: 'producer.spill.',
};

/** What a decoder is told: no option. */
const NO_OPTIONS = new Set(['DecodeContext']);

interface Option {
  readonly name: string;
  /** As it stands in the README's second column. */
  readonly default: string;
}

/** Every field of every interface of types.ts, with its `@default`. (TypeScript 7 has no API to ask.) */
function optionsOfTypes(): Option[] {
  const options = new Map<string, Option>();
  let owner: string | undefined;
  let comment = '';
  const types = ['types.ts', 'flow-types.ts', 'producer-types.ts']
    .map((file) => read(`bridge/config/${file}`))
    .join('\n');
  for (const line of types.split('\n')) {
    const opened = /^(?:export )?interface (\w+)/.exec(line);
    if (opened) owner = opened[1];
    if (line === '}') owner = undefined;
    if (line.startsWith('  /**')) comment = '';
    if (/^ {2}(?:\/\*\*| \*)/.test(line)) comment += ` ${line.trim().replace(/^\/\*\*|^\*\/?|\*\/$/g, '')}`;
    const field = /^ {2}readonly (\w+)(\??): (.*)$/.exec(line);
    if (!owner || !field || NO_OPTIONS.has(owner)) continue;
    const [, name, optional, type] = field;
    const given = /@default (.*)$/.exec(comment)?.[1]?.trim();
    comment = '';
    const prefix = PREFIXES[owner];
    if (prefix === undefined) throw new Error(`Expected the README's name of ${owner} to be known here`);
    const path = `${prefix}${name}`;
    if (type === 'never;' || options.has(path)) continue;
    options.set(path, { name: path, default: given ?? (optional === '?' ? '–' : 'required') });
  }
  return [...options.values()];
}

const cells = (line: string): string[] =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());
const plain = (text: string): string => text.replaceAll('`', '');

/** The rows of the configuration reference: option to default. */
function optionsOfReadme(): Map<string, string> {
  const rows = new Map<string, string>();
  const reference = /^## Configuration\n([\s\S]*?)^### Environment$/m.exec(readme)?.[1] ?? '';
  for (const line of reference.split('\n')) {
    const [name, value] = cells(line);
    if (name?.startsWith('`') && value !== undefined) rows.set(plain(name), plain(value));
  }
  return rows;
}

test('every option stands in the reference, with its default', (t) => {
  const rows = optionsOfReadme();
  const options = optionsOfTypes();
  t.true(options.length > 60, 'the types were read');
  for (const { name, default: value } of options) {
    // A section that is only a name for its fields.
    if (!rows.has(name) && [...rows.keys()].some((row) => row.startsWith(`${name}.`))) continue;
    t.is(rows.get(name), plain(value), name);
  }
});

test('the reference has no option that is not there', (t) => {
  const names = new Set(optionsOfTypes().map(({ name }) => name));
  t.deepEqual(
    [...optionsOfReadme().keys()].filter((name) => !names.has(name)),
    [],
  );
});

test('the defaults of the reference are those that are used', (t) => {
  const rows = optionsOfReadme();
  const used: [string, unknown][] = [];
  const walk = (prefix: string, value: object): void => {
    for (const [name, inner] of Object.entries(value)) {
      if (typeof inner === 'object' && !Array.isArray(inner)) walk(`${prefix}${name}.`, inner as object);
      else used.push([`${prefix}${name}`, inner]);
    }
  };
  const { route, decoderTimeoutMs, ...others } = DEFAULTS;
  walk('', others);
  walk('routes[].', route);
  used.push(['decoder.timeoutMs', decoderTimeoutMs]);
  for (const [name, value] of used) {
    t.is(rows.get(name), typeof value === 'string' ? `'${value}'` : JSON.stringify(value), name);
  }
});

test('every outcome is explained', (t) => {
  const table = /^### Outcomes\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
  const explained = table
    .split('\n')
    .flatMap((line) => [...(cells(line)[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name));
  t.deepEqual(new Set([...explained, ...OUTCOMES]).size, OUTCOMES.length, 'none that is not there');
  for (const outcome of OUTCOMES) t.true(explained.includes(outcome), outcome);
});

test('every command and each of its options is named', (t) => {
  const table = /^## Commands\n([\s\S]*?)^## /m.exec(readme)?.[1] ?? '';
  for (const command of program().commands) {
    t.true(table.includes(`\`ktb ${command.name()}\``), command.name());
    for (const { long } of command.options) t.true(table.includes(long!), `${command.name()} ${long}`);
  }
});

const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...markdownIn('docs')];

function markdownIn(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
}

test('every relative link and every anchor leads somewhere', (t) => {
  for (const document of DOCUMENTS) {
    const text = read(document);
    const anchors = new Set(
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^\p{Letter}\p{Number} _-]/gu, '')
          .replaceAll(' ', '-'),
      ),
    );
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      if (target!.startsWith('#')) t.true(anchors.has(target!.slice(1)), `${document}: ${target}`);
      else t.true(existsSync(join(root, document, '..', target!.split('#')[0]!)), `${document}: ${target}`);
    }
  }
});

test('every npm script that the documents name is there', (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const document of DOCUMENTS) {
    for (const [, name] of read(document).matchAll(/npm run ([\w:]+)/g)) {
      t.true(Object.hasOwn(scripts, name!), `${document}: npm run ${name}`);
    }
  }
});

test('the version of Temporal that the README asks for is the one that the bridge has', (t) => {
  const { dependencies, version } = JSON.parse(read('package.json')) as {
    dependencies: Record<string, string>;
    version: string;
  };
  const named = [...readme.matchAll(/@temporalio\/(\w+)@([\d.]+\d)/g)];
  t.true(named.length > 0);
  for (const [, part, wanted] of named) t.is(wanted, dependencies[`@temporalio/${part}`]);
  for (const [, tarball] of readme.matchAll(/kafka-temporal-bridge-([\d.]+)\.tgz/g)) t.is(tarball, version);
});
