/** The package as users get it: packed, installed into an empty project, and run from there. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { reapFolder } from '../../bridge/local-stack/reaper.js';
import { startProcess, type StartedProcess } from '../faults/process.js';
import { createTopic, produce } from '../helpers/kafka.js';
import { testStack, unique, type TestStack } from '../helpers/stack.js';
import { connectTemporal } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const { dependencies, version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  version: string;
};

/** What npm leaves to its children (its own settings, and ava's) must not reach the user's project. */
const env: NodeJS.ProcessEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_(?!config_)|NODE_|AVA_|FORCE_COLOR$)/.test(name)),
);

function run(command: string, args: readonly string[], cwd: string) {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 300_000 });
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')} ended with ${result.status}:\n${result.stdout}\n${result.stderr}`,
    );
  }
  return result;
}

/** The README's five minutes: config, a workflow, its activities, an activity route; all in TypeScript. */
function files(stack: TestStack, name: string): Record<string, string> {
  const { kafka, temporal } = stack;
  return {
    'temporal.config.ts': `
import { defineConfig } from 'kafka-temporal-bridge';
import type * as activities from './activities/index.js';
import type * as workflows from './workflows/index.js';

export default defineConfig<typeof workflows, typeof activities>({
  name: '${name}',
  kafka: { brokers: ${JSON.stringify(kafka.brokers)}, groupId: '${name}' },
  temporal: { address: '${temporal.address}', namespace: '${temporal.namespace}', taskQueue: '${name}' },
  worker: { workflowsPath: './workflows/index.ts', activities: './activities/index.ts' },
  routes: [
    { topic: '${name}', eventType: 'order.placed', workflow: 'fulfilOrder' },
    { topic: '${name}', eventType: 'payment.received', activity: 'recordPayment' },
  ],
});
`,
    'events.ts': `
export interface OrderPlaced { readonly article: string }
export interface PaymentReceived { readonly cents: number }
`,
    'workflows/index.ts': `
import { proxyActivities } from '@temporalio/workflow';
import type { RecordInfo } from 'kafka-temporal-bridge';
import { publish, releaseCapacity } from 'kafka-temporal-bridge/workflow';
import type * as activities from '../activities/index.js';
import type { OrderPlaced } from '../events.js';

const { shipOrder } = proxyActivities<typeof activities>({ startToCloseTimeout: '30s' });

export async function fulfilOrder(order: OrderPlaced, record: RecordInfo): Promise<string> {
  releaseCapacity();
  if (order.article === 'told to others') await publish('shipped', order, { name: 'shipped', key: order.article });
  return shipOrder(order.article, record.idempotencyKey ?? 'none');
}
`,
    'activities/index.ts': `
import { releaseCapacity, type HandlerCall, type RecordInfo } from 'kafka-temporal-bridge';
import type { PaymentReceived } from '../events.js';

export async function shipOrder(article: string, key: string): Promise<string> {
  return \`\${key}: shipped \${article}\`;
}

export async function recordPayment(payment: PaymentReceived, record: RecordInfo, call: HandlerCall): Promise<string> {
  call.releaseCapacity();
  releaseCapacity();
  return \`\${record.idempotencyKey}: \${payment.cents} cents, attempt \${call.attempt}, \${call.signal.aborted ? 'too late' : 'in time'}\`;
}
`,
    'effects.ts': `
import { createOnceTable, onceIn, type OnceClient } from 'kafka-temporal-bridge/postgres';
import type { RecordInfo } from 'kafka-temporal-bridge';

// No driver is installed, and none is needed: anything with a query like pg's will do.
export async function pay(client: OnceClient, record: RecordInfo): Promise<string> {
  await createOnceTable(client);
  const { applied, result } = await onceIn(client, record, async () => ({ at: new Date() }));
  return applied ? result.at : 'before';
}
`,
    'worker.ts': `
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { Client } from '@temporalio/client';
import { kafkaBridge } from 'kafka-temporal-bridge';
import * as activities from './activities/index.js';
import config from './temporal.config.js';

const bridge = kafkaBridge(config);
const connection = await NativeConnection.connect({ address: '${temporal.address}' });
const workflowsPath = new URL('./workflows/index.ts', import.meta.url).pathname;
const worker = await Worker.create({
  connection,
  namespace: '${temporal.namespace}',
  taskQueue: '${name}',
  workflowBundle: await bundleWorkflowCode({ workflowsPath, plugins: [bridge] }),
  activities,
  plugins: [bridge],
});
const client = new Client({ connection, namespace: '${temporal.namespace}', plugins: [bridge] });
await worker.runUntil(client.workflow.getHandle('${name}-again').result());
await connection.close();
`,
    'package.json': `${JSON.stringify({ name: 'a-users-project', version: '1.0.0', private: true, type: 'module' })}\n`,
    'tsconfig.json': JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        target: 'es2022',
        strict: true,
        noEmit: true,
        skipLibCheck: true,
      },
    }),
  };
}

test('the packed package works in an empty project: a workflow route, an activity route, and the plugin in a worker of its own', async (t) => {
  const stack = await testStack();
  const name = unique('package');
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'ktb-package-')));
  const forget = reapFolder(dir);
  t.teardown(() => {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    forget();
  });

  // `prepack` builds.
  const packed = run('npm', ['pack', '--silent', '--pack-destination', dir], repository);
  const tarball = join(dir, packed.stdout.trim().split('\n').at(-1)!);
  const project = join(dir, 'project');
  for (const [path, text] of Object.entries(files(stack, name))) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  const temporal = ['workflow', 'activity'].map(
    (part) => `@temporalio/${part}@${dependencies['@temporalio/workflow']}`,
  );
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, ...temporal], project);

  const ktb = join(project, 'node_modules', '.bin', 'ktb');
  t.is(run(ktb, ['--version'], project).stdout, `${version}\n`);
  t.regex(run(ktb, ['--help'], project).stdout, /Examples:\n {2}ktb dev/);
  const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc');
  t.notThrows(
    () => run(process.execPath, [tsc, '-p', project], project),
    'the config is checked by its types',
  );

  const ddl = `import { onceTable } from 'kafka-temporal-bridge/postgres'; console.log(onceTable());`;
  t.regex(
    run(process.execPath, ['--input-type=module', '--eval', ddl], project).stdout,
    /^CREATE TABLE IF NOT/,
  );

  const { brokers } = stack.kafka;
  await createTopic(brokers, name);
  const start = (command: string): StartedProcess =>
    startProcess({ name: command, command: ktb, args: [command], cwd: project });
  await using worker = start('worker');
  await using bridge = start('bridge');
  await produce(brokers, name, [
    {
      value: '{"article":"lamp"}',
      headers: { 'event-type': 'order.placed', 'idempotency-key': `${name}-order` },
    },
    {
      value: '{"cents":700}',
      headers: { 'event-type': 'payment.received', 'idempotency-key': `${name}-payment` },
    },
  ]);
  await worker.waitForOutput('"polling"', 120_000);
  await bridge.waitForOutput('joined the group', 180_000);

  const client = await connectTemporal(stack.temporal);
  t.teardown(() => client.connection.close());
  // Not there before the bridge has started it.
  const resultOf = (key: string): Promise<unknown> =>
    until(() => client.workflow.getHandle(key).result(), { what: `${key} to complete`, timeoutMs: 180_000 });
  t.is(await resultOf(`${name}-order`), `${name}-order: shipped lamp`);
  t.is(await resultOf(`${name}-payment`), `${name}-payment: 700 cents, attempt 1, in time`);

  t.deepEqual(await worker.term(), { code: 0, signal: null });

  // The same by a worker of one's own, with the plugin: it runs until its activity route has a result.
  await produce(brokers, name, [
    {
      value: '{"cents":800}',
      headers: { 'event-type': 'payment.received', 'idempotency-key': `${name}-again` },
    },
  ]);
  await until(() => client.workflow.getHandle(`${name}-again`).describe(), { what: 'the start' });
  const args = ['--import', 'tsx', 'worker.ts'];
  await using own = startProcess({ name: 'own', command: process.execPath, args, cwd: project });
  t.is(await resultOf(`${name}-again`), `${name}-again: 800 cents, attempt 1, in time`);
  t.deepEqual(await own.exited, { code: 0, signal: null }, own.stderr);
  t.deepEqual(await bridge.term(), { code: 0, signal: null });
});
