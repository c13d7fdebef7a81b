/** docs/commands.md against the code: every command, every option, and every field that `--json` prints, with its type. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Command } from 'commander';
import { program } from '../../bridge/cli/program.js';
import { TailPrinter } from '../../bridge/cli/tail-printer.js';
import { createRecordViewer } from '../../bridge/operate/tail/record-view.js';
import { jsonOf } from '../../bridge/cli/replay-command.js';
import { leaseRequest, workerReport } from '../temporal/capacity-port-contract.js';
import { sourceRecord } from '../helpers/doubles/mapped-records.js';
import { all, Operated } from '../helpers/doubles/operated.js';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
const document = read('docs/commands.md');

/** What stands under a heading, up to the next one. */
function section(heading: string): string {
  const [, rest] = document.split(new RegExp(`^#+ ${heading}$`, 'm'));
  if (rest === undefined) throw new Error(`Expected docs/commands.md to have a section "${heading}"`);
  return rest.split(/^#/m)[0]!;
}

/** The rows of a section's table: of the first, or of the one that follows a name. */
function fieldsOf(heading: string, of?: string): Map<string, string> {
  const text = section(heading);
  const [, after] = of === undefined ? ['', text] : text.split(`\`${of}\`:\n`);
  const table = (after ?? '').split(/\n`\w+(?:\[\])?`:\n/)[0]!;
  return new Map([...table.matchAll(/^\| `(\w+)` \| ([\w ]+) \|/gm)].map(([, name, type]) => [name!, type!]));
}

/** The fields of an interface, as its source has them. */
function interfaceOf(path: string, name: string): string[] {
  const body = new RegExp(`^export interface ${name}\\b.*?\\{\\n(.*?)^\\}`, 'ms').exec(read(path))?.[1] ?? '';
  return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field]) => field!);
}

/** What was printed has the fields and types of the document, and no other ones. */
function describes(t: ExecutionContext, fields: ReadonlyMap<string, string>, given: object): void {
  const replacer = (_: string, one: unknown) => (typeof one === 'bigint' ? one.toString() : one);
  const printed = JSON.parse(JSON.stringify(given, replacer)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(printed)) {
    const type = fields.get(name);
    t.truthy(type, `\`${name}\` is documented`);
    const is = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
    t.true(type === 'any' || type!.split(' or ').includes(is), `\`${name}\` is ${is}, documented as ${type}`);
  }
}

const commands = (of: Command): Command[] => of.commands.flatMap((one) => [one, ...commands(one)]);
const pathOf = (one: Command): string => (one.parent ? `${pathOf(one.parent)} ${one.name()}` : one.name());

test('every command has its section, and no section is of one that is not there', (t) => {
  const documented = [...document.matchAll(/^## (ktb .*)$/gm)].map(([, name]) => name!);
  t.deepEqual(documented.toSorted(), commands(program()).map(pathOf).toSorted());
});

for (const command of commands(program()))
  test(`every option of ${pathOf(command)} is there, with what it takes, and none that is not`, (t) => {
    const documented = [...section(pathOf(command)).matchAll(/^\| `(--[^`]+)` \|/gm)].map(
      ([, flags]) => flags!,
    );
    // `-y, --yes` is known by its long name.
    const options = command.options.map(({ flags }) => flags.replace(/^-\w, /, ''));
    t.deepEqual(documented.toSorted(), options.toSorted());
  });

for (const [heading, of, path, name, more] of [
  ['JSON of ktb status', undefined, 'operate/record-status.ts', 'RecordStatus', []],
  ['JSON of ktb status', 'pendingActivities[]', 'temporal/operator-port.ts', 'PendingActivity', []],
  ['JSON of ktb status', 'kafka', 'intake/kafka-view.ts', 'KafkaPlace', []],
  ['JSON of ktb health', undefined, 'observe/health.ts', 'HealthReport', []],
  ['JSON of ktb health', 'checks[]', 'observe/health.ts', 'HealthCheck', []],
  ['JSON of ktb failed', undefined, 'operate/dead-letters.ts', 'DeadLetter', []],
  ['JSON of ktb failed --by reason', undefined, 'operate/dead-letters.ts', 'ReasonGroup', []],
  ['JSON of ktb quarantine list', undefined, 'operate/quarantine.ts', 'QuarantinedRecord', []],
  ['JSON of ktb quarantine show', undefined, 'operate/quarantine.ts', 'QuarantinedDetail', []],
  [
    'JSON of ktb reprocess',
    undefined,
    'operate/reprocess.ts',
    'ReprocessReport',
    ['topic', 'generation', 'dryRun'],
  ],
  [
    'JSON of ktb produce',
    undefined,
    'operate/produce/produce-lines.ts',
    'ProduceReport',
    ['topic', 'elapsedMs', 'state'],
  ],
  ['JSON of ktb capacity', 'workers[]', '../workflows/capacity/contract.ts', 'WorkerView', []],
  ['JSON of ktb capacity', 'bridges[]', '../workflows/capacity/contract.ts', 'BridgeView', []],
  [
    'JSON of ktb capacity',
    undefined,
    '../workflows/capacity/contract.ts',
    'CapacityView',
    ['answers', 'reason', 'queues'],
  ],
  ['JSON of ktb pause', undefined, '../workflows/capacity/contract.ts', 'CapacitySettings', []],
] as const)
  test(`${heading}${of === undefined ? '' : `, ${of}`} has the fields of ${name}`, (t) => {
    const fields = [...interfaceOf(`bridge/${path}`, name), ...more];
    t.true(fields.length > 1 || name === 'QuarantinedDetail');
    t.deepEqual([...fieldsOf(heading, of).keys()].toSorted(), fields.toSorted());
  });

test('the record in quarantine has the fields that are kept of it', (t) => {
  const fields = interfaceOf('workflows/contract.ts', 'QuarantineInput');
  t.deepEqual([...fieldsOf('JSON of ktb quarantine show', 'input').keys()].toSorted(), fields.toSorted());
});

test('what status prints is what is documented', async (t) => {
  const it = new Operated();
  it.kafka.create('orders');
  it.operator.activities['stumbles'] = () => {
    throw new Error('not this time');
  };
  it.record('failed');
  it.record('completed', { steps: [{ call: 'fine' }] });
  it.record('runs', { steps: [{ call: 'stumbles' }] });
  const fields = fieldsOf('JSON of ktb status');
  for (const key of ['failed', 'completed', 'runs', 'nobody', 'orders/0/17']) {
    const status = await it.client.status(key);
    describes(t, fields, status);
    for (const one of status.pendingActivities)
      describes(t, fieldsOf('JSON of ktb status', 'pendingActivities[]'), one);
    if (status.kafka) describes(t, fieldsOf('JSON of ktb status', 'kafka'), status.kafka);
  }
});

test('what failed prints is what is documented', async (t) => {
  const it = new Operated();
  it.record('a');
  it.record(null);
  for (const letter of await all(it.client.failed())) describes(t, fieldsOf('JSON of ktb failed'), letter);
  const groups = await it.client.failedByReason();
  t.true(groups.length > 0);
  for (const group of groups) describes(t, fieldsOf('JSON of ktb failed --by reason'), group);
});

test('what tail prints is what is documented', async (t) => {
  const it = new Operated();
  it.record('a', { offset: 1 });
  const viewer = createRecordViewer(it.config);
  const printer = new TailPrinter({ json: true, base64: false });
  const fields = fieldsOf('JSON of ktb tail');
  const text = (one: string) => Buffer.from(one);
  const bytes = Buffer.from([255]);
  const typed = { 'event-type': text('placed') };
  const lines: object[] = [];
  for (const record of [
    sourceRecord({ offset: 1n, key: text('k'), headers: { ...typed, 'idempotency-key': text('a') } }),
    sourceRecord({ offset: 2n, key: text('k'), headers: { ...typed, 'idempotency-key': text('a') } }),
    sourceRecord({ key: bytes, value: bytes, headers: { raw: bytes } }),
    sourceRecord({ value: null }),
  ]) {
    const view = await viewer(record);
    const outcome = await it.client.outcome(record, view.mapped!);
    lines.push(JSON.parse(printer.text(view, outcome)) as object);
  }
  for (const line of lines) describes(t, fields, line);
  t.deepEqual(
    [...new Set(lines.flatMap((line) => Object.keys(line)))].toSorted(),
    [...fields.keys()].toSorted(),
  );
});

test('what replay prints is what is documented, field for field', async (t) => {
  const it = new Operated();
  it.record('a');
  it.operator.workers.clear();
  it.record('lonely');
  it.operator.terminate('lonely');
  const lines = [
    ...jsonOf(await it.client.replay({ keys: ['a', 'lonely', 'nobody'] }, { dryRun: true })),
    ...jsonOf(await it.client.replay({ keys: ['a'] })),
  ];
  const fields = fieldsOf('JSON of ktb replay');
  for (const line of lines) describes(t, fields, line);
  t.deepEqual(
    [...new Set(lines.flatMap((line) => Object.keys(line)))].toSorted(),
    [...fields.keys()].toSorted(),
  );
});

test('what quarantine prints is what is documented', async (t) => {
  const it = new Operated();
  const workflowId = it.quarantined(3);
  const list = fieldsOf('JSON of ktb quarantine list');
  for (const one of await all(it.client.quarantine.list())) describes(t, list, one);
  const result = await it.client.quarantine.resolve(workflowId, { action: 'drop' }, { why: 'w' });
  describes(t, fieldsOf('JSON of ktb quarantine resolve'), { record: 'r', action: 'drop', ...result });
  const detail = await it.client.quarantine.show(workflowId);
  describes(t, new Map([...list, ...fieldsOf('JSON of ktb quarantine show')]), detail);
  describes(t, fieldsOf('JSON of ktb quarantine show', 'input'), detail.input);
});

test('what capacity, pause and limit print is what is documented', async (t) => {
  const it = new Operated();
  const fields = fieldsOf('JSON of ktb capacity');
  describes(t, fields, await it.client.capacity());
  for (const settings of [
    await it.client.pause('paid', { reason: 'r' }),
    await it.client.setLimit(3),
    await it.client.setLimit('auto'),
    await it.client.resume('paid'),
  ])
    describes(t, fieldsOf('JSON of ktb pause'), settings);
  await it.capacity.report(workerReport());
  await it.capacity.lease(leaseRequest(), 1);
  const look = await it.client.capacity();
  describes(t, fields, look);
  if (!look.answers) return t.fail();
  for (const one of look.workers) describes(t, fieldsOf('JSON of ktb capacity', 'workers[]'), one);
  for (const one of look.bridges) describes(t, fieldsOf('JSON of ktb capacity', 'bridges[]'), one);
  t.deepEqual([look.workers.length, look.bridges.length], [1, 1]);
});

test('what reprocess prints is what is documented', async (t) => {
  const it = new Operated({ config: { routes: [{ topic: 'orders', workflow: 'fulfilOrder' }] } });
  it.kafka.create('orders');
  it.kafka.append('orders', [{ value: '{}' }, { value: 'not JSON' }]);
  const request = { topic: 'orders', from: 0n, to: 9n, generation: 2 };
  const report = await it.client.reprocess(request);
  describes(t, fieldsOf('JSON of ktb reprocess'), {
    topic: 'orders',
    generation: 2,
    dryRun: false,
    ...report,
  });
  const outcomes = /`outcomes` .*: (.*) \|$/m.exec(section('JSON of ktb reprocess'))![1]!;
  t.deepEqual(
    [...outcomes.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    Object.keys(report.outcomes),
  );
});
