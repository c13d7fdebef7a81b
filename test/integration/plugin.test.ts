/** A project whose worker was written by hand, before there was a bridge: `plugins: [kafkaBridge(config)]` is all it adds. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import test from 'ava';
import { kafkaBridge, loadConfig } from '../../bridge/index.js';
import { startProcess, type StartedProcess } from '../faults/process.js';
import { createScene, type Scene, type SceneOptions } from '../faults/scene.js';
import { unique } from '../helpers/stack.js';
import { historyOf, listExecutions, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const CODEC = `
const flip = (bytes) => Uint8Array.from(bytes, (byte) => byte ^ 0x5a);
const encoding = new TextEncoder().encode('binary/flipped');
const codec = {
  encode: async (payloads) => payloads.map(({ metadata, data }) => ({ metadata: { encoding, inner: metadata.encoding }, data: flip(data) })),
  decode: async (payloads) => payloads.map((payload) => payload.metadata?.inner ? { metadata: { encoding: payload.metadata.inner }, data: flip(payload.data) } : payload),
};
`;

const WORKFLOWS = `
import { proxyActivities } from '@temporalio/workflow';
const { pack, ship } = proxyActivities({ startToCloseTimeout: '30s', retry: { initialInterval: '100ms', maximumAttempts: 2 } });
export async function fulfilOrder(order, record) {
  const packed = await pack(order, record);
  return packed + ', ' + await ship(order);
}
`;

const STAMP = `
export const interceptors = () => ({
  inbound: [{ execute: async (input, next) => await next(input) + ', stamped' }],
});
`;

const ACTIVITIES = `
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/common';
export class Shop {
  payments = 0;
}
export function createActivities(shop) {
  const slowly = async (event) => {
    if (event?.file === undefined) return;
    writeFileSync(event.file, 'began');
    await delay(1500);
  };
  return {
    pack: async (order) => {
      await slowly(order);
      return 'packed after ' + shop.payments + ' payments';
    },
    ship: async (order) => {
      if (order.article === 'piano') throw ApplicationFailure.nonRetryable('too heavy');
      return 'shipped ' + order.article;
    },
    recordPayment: async (payment, record, call) => {
      await slowly(payment);
      return 'payment ' + ++shop.payments + ' at attempt ' + call.attempt;
    },
  };
}
`;

const AUDIT = `
export const audit = () => ({ inbound: { execute: async (input, next) => await next(input) + ' (audited)' } });
`;

/** What somebody had before; a bundle that was built ahead is the other usual way. */
const workerSource = (workflows: string, run: string) => `
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { kafkaBridge } from 'kafka-temporal-bridge';
import { createActivities, Shop } from './activities/index.js';
import { audit } from './audit.js';
import config from './temporal.config.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const { address, namespace, taskQueue } = config.temporal;
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue,
  activities: createActivities(new Shop()),
  shutdownGraceTime: '10s',
  plugins: [kafkaBridge(config)],
  ${workflows}
});
console.log('the worker is there');
${run}
await connection.close();
console.log('the worker has ended in order');
`;

const RUN = 'await worker.run();';

const BUNDLES_ITSELF = `
  workflowsPath: path('./workflows/index.ts'),
  interceptors: { activity: [audit], workflowModules: [path('./workflows/stamp.ts')] },
`;

const BUILT_AHEAD = `
  workflowBundle: await bundleWorkflowCode({
    workflowsPath: path('./workflows/index.ts'),
    workflowInterceptorModules: [path('./workflows/stamp.ts')],
    plugins: [kafkaBridge(config)],
  }),
  interceptors: { activity: [audit] },
`;

const ROUTES = `[
  { id: 'order', topic: TOPIC, eventType: 'order', workflow: 'fulfilOrder' },
  { id: 'payment', topic: TOPIC, eventType: 'payment', activity: 'recordPayment', retry: { maximumAttempts: 2, initialIntervalMs: 50 } },
  { id: 'decoded', topic: TOPIC, eventType: 'decoded', workflow: 'fulfilOrder',
    decoder: (value) => { if (!existsSync(process.env.KTB_HANDLERS_RECORD + '.mended')) throw new Error('the decoder is broken'); return JSON.parse(value.toString()); } },
]`;

interface Foreign extends AsyncDisposable {
  readonly scene: Scene;
  /** With the plugin: it reads what a codec has written. */
  readonly client: Client;
  readonly worker: StartedProcess;
  send(key: string, eventType: string, event?: object): Promise<string>;
  result(key: string): Promise<unknown>;
}

async function foreignProject(
  workflows: string,
  options: SceneOptions = {},
  run: string = RUN,
): Promise<Foreign> {
  const scene = await createScene({
    partitions: 1,
    preamble: `import { existsSync } from 'node:fs';${CODEC}`,
    temporal: 'dataConverter: { payloadCodecs: [codec] },',
    routes: ROUTES,
    workflows: WORKFLOWS,
    activities: ACTIVITIES,
    ...options,
  });
  const { project, name } = scene;
  project.write('workflows/stamp.ts', STAMP);
  project.write('audit.ts', AUDIT);
  const script = project.write('worker.ts', workerSource(workflows, run));
  const worker = startProcess({
    name: 'worker',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), script],
    cwd: project.dir,
    env: scene.env,
  });
  const config = await loadConfig({ file: project.configPath });
  const { connection, options: given } = scene.client;
  const client = new Client({ connection, namespace: given.namespace, plugins: [kafkaBridge(config)] });
  return {
    scene,
    client,
    worker,
    send: async (key, eventType, event = {}) => {
      const headers = { 'idempotency-key': key, 'event-type': eventType };
      await scene.produce([{ key, value: JSON.stringify(event), headers }]);
      return `${name}:${key}`;
    },
    // Not there before the bridge has started it.
    result: (workflowId) =>
      until(() => client.workflow.getHandle(workflowId).result(), {
        what: `${workflowId} to complete`,
        timeoutMs: 90_000,
      }),
    [Symbol.asyncDispose]: async () => {
      await worker.kill();
      await scene[Symbol.asyncDispose]();
    },
  };
}

const failed = async ({ client, scene }: Foreign, type: string) =>
  until(
    () =>
      listExecutions(
        client,
        `TaskQueue STARTS_WITH "${scene.taskQueue}" AND WorkflowType = "${type}" AND ExecutionStatus = "Failed"`,
      ),
    { what: `a failed ${type}`, timeoutMs: 180_000, accept: (seen) => seen.length === 1 },
  ).then(([one]) => one!.workflowId);

const failureOf = async ({ client }: Foreign, workflowId: string): Promise<string> => {
  const { events } = await historyOf(client, workflowId);
  return events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.message ?? '';
};

test("a worker written by hand runs workflow and activity routes with its own activities, state, interceptors and the config's codec", async (t) => {
  await using foreign = await foreignProject(BUNDLES_ITSELF);
  const { scene, worker } = foreign;
  scene.bridge();
  const payment = await foreign.send('p1', 'payment');
  t.is(await foreign.result(payment), 'payment 1 at attempt 1 (audited)', 'no stamp: the workflow is ours');
  const order = await foreign.send('o1', 'order', { article: 'lamp' });
  t.is(
    await foreign.result(order),
    'packed after 1 payments (audited), shipped lamp (audited), stamped',
    'both Workers have one shop',
  );
  await t.throwsAsync(
    scene.client.workflow.getHandle(order).result(),
    { message: /binary\/flipped/ },
    'a client without the plugin can not read it',
  );

  const heavy = await foreign.send('o2', 'order', { article: 'piano' });
  t.is(await failed(foreign, 'fulfilOrder'), heavy);
  t.regex(await failureOf(foreign, heavy), /\(replay: Reset to event 10\)$/, 'the dead letter says where to');

  await foreign.send('q1', 'decoded', { article: 'vase' });
  const quarantine = await failed(foreign, 'ktbQuarantine');
  t.regex(await failureOf(foreign, quarantine), /the decoder is broken/);
  writeFileSync(`${scene.env['KTB_HANDLERS_RECORD']}.mended`, '');
  const run = await resetTo(foreign.client, quarantine, 4);
  const dispatched = await foreign.client.workflow.getHandle(quarantine, run).result();
  t.like(dispatched, { outcome: 'started', workflowId: `${scene.name}:q1` });
  t.regex(String(await foreign.result(`${scene.name}:q1`)), /shipped vase/);

  const files = ['o3', 'p3'].map((key) => join(scene.project.dir, key));
  const running = [
    await foreign.send('o3', 'order', { article: 'sofa', file: files[0] }),
    await foreign.send('p3', 'payment', { file: files[1] }),
  ];
  await until(() => files.every((file) => existsSync(file)), { what: 'a call in each Worker' });
  t.deepEqual(await worker.term({ timeoutMs: 20_000 }), { code: 0, signal: null });
  t.regex(worker.stdout, /the worker has ended in order/);
  // Nobody polls any more, so the workflows wait; their calls have ended, and Temporal knows it.
  for (const workflowId of running) {
    const { events } = await historyOf(foreign.client, workflowId);
    t.is(events?.filter((event) => event.activityTaskCompletedEventAttributes).length, 1, workflowId);
  }
});

test('a bundle that was built ahead with the plugin has the hint, and the interceptors that it had', async (t) => {
  await using foreign = await foreignProject(BUILT_AHEAD);
  foreign.scene.bridge();
  const heavy = await foreign.send('o1', 'order', { article: 'piano' });
  t.is(await failed(foreign, 'fulfilOrder'), heavy);
  t.regex(await failureOf(foreign, heavy), /\(replay: Reset to event 10\)$/);
  const order = await foreign.send('o2', 'order', { article: 'lamp' });
  t.regex(String(await foreign.result(order)), /shipped lamp \(audited\), stamped$/);
  t.is(await foreign.result(await foreign.send('p1', 'payment')), 'payment 1 at attempt 1 (audited)');
  t.notRegex(foreign.worker.output, /will not name the event|Ignoring WorkerOptions/);
});

test('an own worker that can not be built ends the worker with its reason, also one written by hand', async (t) => {
  await using foreign = await foreignProject(BUNDLES_ITSELF, {
    config: 'worker: { ownOptions: { maxConcurrentActivityTaskExecutions: -1 } },',
  });
  t.is((await foreign.worker.exited).code, 1);
  t.regex(foreign.worker.stdout, /the worker is there/);
  t.regex(foreign.worker.stderr, /KTB_WORKER/);
  t.regex(foreign.worker.stderr, /The bridge's own worker can't be built/);
});

test('a worker that is stopped in the line after run() ends both, hands on what another plugin threw, and lets its connection be closed', async (t) => {
  await using foreign = await foreignProject(
    `${BUNDLES_ITSELF}
  plugins: [kafkaBridge(config), { name: 'fails', runWorker: async (worker, next) => { await next(worker); throw new Error('of the other plugin'); } }],`,
    {},
    `
const running = worker.run();
worker.shutdown();
await running.catch((error) => console.log('it failed: ' + error.message));`,
  );
  t.deepEqual(await foreign.worker.exited, { code: 0, signal: null }, foreign.worker.stderr);
  t.regex(foreign.worker.stdout, /it failed: of the other plugin\nthe worker has ended in order/);
});

test("a versioned worker waits for its deployment's version to be current, and our own queue does not", async (t) => {
  const version = { deploymentName: unique('shop'), buildId: 'build-1' };
  await using scene = await createScene({
    partitions: 1,
    routes: `[
      { id: 'order', topic: TOPIC, eventType: 'order', workflow: 'work' },
      { id: 'payment', topic: TOPIC, eventType: 'payment', activity: 'handle' },
    ]`,
    config: `worker: {
      workflowsPath: './workflows/index.ts',
      activities: './activities/index.ts',
      options: { workerDeploymentOptions: {
        useWorkerVersioning: true,
        version: ${JSON.stringify(version)},
        defaultVersioningBehavior: 'PINNED',
      } },
    },`,
  });
  scene.bridge();
  scene.worker();
  const typed = (key: string, type: string) => ({
    key,
    value: '{}',
    headers: { 'idempotency-key': key, 'event-type': type },
  });
  await scene.produce([typed('o1', 'order'), typed('p1', 'payment')]);
  const resultOf = (key: string) =>
    until(() => scene.client.workflow.getHandle(`${scene.name}:${key}`).result(), {
      what: `${key} to complete`,
      timeoutMs: 180_000,
    });
  t.regex(String(await resultOf('p1')), /^handled/);
  const order = scene.client.workflow.getHandle(`${scene.name}:o1`);
  t.is((await order.describe()).historyLength, 2, 'no task of it was given to anybody');
  await until(
    () =>
      scene.client.workflowService.setWorkerDeploymentCurrentVersion({
        namespace: scene.client.options.namespace,
        identity: 'test',
        ...version,
      }),
    { what: 'the version to be current' },
  );
  t.regex(String(await resultOf('o1')), /^handled/);
  const { raw } = await order.describe();
  t.like(raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion, version);
});
