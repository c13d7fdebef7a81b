import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { DataConverter } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import { kafkaBridge, type BridgeConfig } from '../bridge/index.js';
import { createOwnActivities } from '../activities/index.js';
import { HINT_MODULE_PATH, OWN_WORKFLOWS_PATH, ownWorkerOptions } from '../bridge/own-worker.js';
import { resolveConfig } from '../bridge/config/resolve.js';
import { EventPublisher } from '../bridge/publish/event-publisher.js';
import { WorkerCapacity } from '../bridge/worker-report/worker-capacity.js';
import { SILENT } from './helpers/doubles/silent-logger.js';
import { writeProject } from './helpers/project.js';
import { TemporalDouble } from './helpers/doubles/temporal-double.js';

const CONFIG: BridgeConfig = {
  name: 'orders',
  kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
  temporal: { taskQueue: 'orders' },
  routes: [
    { topic: 'orders', workflow: 'fulfilOrder' },
    { topic: 'payments', activity: 'recordPayment' },
  ],
};

class Codec {
  async encode(payloads: any[]) {
    return payloads;
  }
  async decode(payloads: any[]) {
    return payloads;
  }
}

/** A plugin, and what it warned of. */
function plugin(change: Partial<BridgeConfig> = {}) {
  const warnings: string[] = [];
  const logger = { warn: (_: object, message: string) => void warnings.push(message) };
  const bridge = kafkaBridge({ ...CONFIG, ...change }, { logger: logger as never });
  return { bridge, warnings };
}

const withConverter = (dataConverter: DataConverter) => ({
  temporal: { taskQueue: 'orders', dataConverter },
});

/** As a worker's author would write it. */
const WORKER: WorkerOptions = {
  taskQueue: 'orders',
  activities: { recordPayment: () => undefined },
  interceptors: { workflowModules: ['/users/interceptors.js'] },
};

test('a worker that fits the config is left as it is, but for what tells of slots', async (t) => {
  const { bridge, warnings } = plugin();
  const { sinks, interceptors, ...rest } = await bridge.configureWorker({ ...WORKER, sinks: { mine: {} } });
  t.deepEqual({ ...rest, interceptors: WORKER.interceptors }, WORKER);
  t.deepEqual(interceptors?.workflowModules, WORKER.interceptors?.workflowModules);
  t.deepEqual(Object.keys(sinks ?? {}), ['mine', 'ktbCapacity']);
  t.deepEqual(warnings, []);
});

test("a worker's activities are counted once and outermost, also where the plugin comes twice", async (t) => {
  const { bridge } = plugin();
  const users = () => ({});
  const once = await bridge.configureWorker({ ...WORKER, interceptors: { activity: [users] } });
  t.is(once.interceptors?.activity?.length, 2);
  t.is(once.interceptors?.activity?.[1], users);
  t.is(await bridge.configureWorker(once), once);
});

test("with `capacity.limit: 'off'` no activity is counted, and what workflows tell is taken", async (t) => {
  const { bridge } = plugin({ capacity: { limit: 'off' } });
  const { interceptors, sinks } = await bridge.configureWorker(WORKER);
  t.deepEqual(interceptors?.activity?.[0]?.({} as never), {});
  t.notThrows(() => sinks!['ktbCapacity']!['released']!.fn({} as never, 'bridge.0:1', 5));
});

test('a worker of another task queue or namespace is an error that names both', async (t) => {
  const { bridge } = plugin();
  await t.throwsAsync(bridge.configureWorker({ ...WORKER, taskQueue: 'payments' }), {
    code: 'KTB_WORKER',
    message:
      'Expected the worker\'s `taskQueue` to be the config\'s `temporal.taskQueue`, "orders", got "payments"',
  });
  await t.throwsAsync(bridge.configureWorker({ ...WORKER, namespace: 'prod' }), {
    code: 'KTB_WORKER',
    message:
      'Expected the worker\'s `namespace` to be the config\'s `temporal.namespace`, "default", got "prod"',
  });
});

test('our own worker, which meets the plugin by its connection, is not touched', async (t) => {
  const { bridge } = plugin();
  const ours = { taskQueue: 'orders-ktb' };
  t.is(await bridge.configureWorker(ours), ours);
});

test('a route whose activity the worker does not have is an error that lists those there are', async (t) => {
  const { bridge } = plugin();
  await t.throwsAsync(bridge.configureWorker({ ...WORKER, activities: { bookPayment: () => undefined } }), {
    code: 'KTB_WORKER',
    message: 'Expected route `payments` to name an activity, got `recordPayment`; there are: bookPayment',
  });
  const any = { ...WORKER, activities: { default: () => undefined } };
  await t.notThrowsAsync(bridge.configureWorker(any), 'a default activity takes every name');
});

test('a route whose workflow is not in the module of the worker is an error', async (t) => {
  using project = writeProject({ config: '', workflows: 'export async function shipOrder() {}\n' });
  const { bridge } = plugin();
  const workflowsPath = join(project.dir, 'workflows', 'index.ts');
  await t.throwsAsync(bridge.configureWorker({ ...WORKER, workflowsPath }), {
    code: 'KTB_WORKER',
    message: 'Expected route `orders` to name a workflow, got `fulfilOrder`; there are: shipOrder',
  });
  project.write('workflows/dynamic.ts', 'export default async function any() {}\n');
  const dynamic = { ...WORKER, workflowsPath: join(project.dir, 'workflows', 'dynamic.ts') };
  await t.notThrowsAsync(bridge.configureWorker(dynamic), 'a default workflow takes every name');
});

test('a module of workflows that does not load here is said, and no error', async (t) => {
  using project = writeProject({ config: '', workflows: "throw new Error('only in the sandbox');\n" });
  const { bridge, warnings } = plugin();
  const workflowsPath = join(project.dir, 'workflows', 'index.ts');
  await t.notThrowsAsync(bridge.configureWorker({ ...WORKER, workflowsPath }));
  t.deepEqual(warnings, ['the names of workflows are not checked: their module does not load here']);
});

test('a worker without a connection is told that the bridge starts its workflows elsewhere', async (t) => {
  const { bridge, warnings } = plugin({ temporal: { taskQueue: 'orders', address: 'temporal:7233' } });
  await bridge.configureWorker(WORKER);
  t.regex(warnings.join(), /the worker has no `connection`, so it polls at localhost:7233/);
});

test("a worker and a client without a data converter get the config's", async (t) => {
  const dataConverter = { payloadCodecs: [new Codec()] };
  const { bridge, warnings } = plugin(withConverter(dataConverter));
  t.is((await bridge.configureWorker(WORKER)).dataConverter, dataConverter);
  t.is(bridge.configureClient({}).dataConverter, dataConverter);
  t.deepEqual(warnings, []);
});

test('a data converter of their own stays, and is warned of where it is another one', async (t) => {
  const alike = { payloadCodecs: [new Codec()] };
  const other = { payloadConverterPath: '/users/converter.js' };
  const { bridge, warnings } = plugin(withConverter({ payloadCodecs: [new Codec()] }));
  t.is(bridge.configureClient({ dataConverter: alike }).dataConverter, alike);
  t.deepEqual(warnings, [], 'two instances of one codec are alike');
  t.is(bridge.configureClient({ dataConverter: other }).dataConverter, other);
  t.is((await bridge.configureWorker({ ...WORKER, dataConverter: other })).dataConverter, other);
  t.is(warnings.length, 2);
  t.regex(warnings[0]!, /^the client's `dataConverter` is another one than the config's/);
  t.regex(warnings[1]!, /^the worker's `dataConverter`/);
});

test("a bundle gets the hint's module once, after the user's own, and the config's converters", (t) => {
  const { bridge } = plugin(withConverter({ payloadConverterPath: '/config/converter.js' }));
  const options = { workflowsPath: '/users/workflows.js', workflowInterceptorModules: ['/users/mine.js'] };
  const once = bridge.configureBundler(options);
  t.deepEqual(once, {
    ...options,
    payloadConverterPath: '/config/converter.js',
    workflowInterceptorModules: ['/users/mine.js', HINT_MODULE_PATH],
  });
  t.deepEqual(bridge.configureBundler(once), once);
  const own = { ...options, payloadConverterPath: '/users/converter.js' };
  t.is(bridge.configureBundler(own).payloadConverterPath, '/users/converter.js');
});

test('the bundle of our own workflows gets no hint', (t) => {
  const ours = { workflowsPath: OWN_WORKFLOWS_PATH };
  t.is(plugin().bridge.configureBundler(ours), ours);
});

test('a prebuilt bundle without the hint is warned of, as code and as a file', async (t) => {
  using project = writeProject({ config: '' });
  const codePath = join(project.dir, 'bundle.js');
  writeFileSync(codePath, 'exports.nothing = 1;');
  const { bridge, warnings } = plugin();
  await bridge.configureWorker({ ...WORKER, workflowBundle: { code: '"(replay: Reset to event "' } });
  t.deepEqual(warnings, []);
  for (const workflowBundle of [{ code: 'exports.nothing = 1;' }, { codePath }])
    await bridge.configureWorker({ ...WORKER, workflowBundle });
  t.is(warnings.length, 2);
  t.regex(
    warnings[0]!,
    /will not name the event to reset to: the `workflowBundle` was built without this plugin/,
  );
});

test("our worker runs the user's activities under the user's interceptors, and our own activities without them", (t) => {
  const config = resolveConfig(CONFIG, { baseDir: '/', env: {} });
  const recordPayment = () => undefined;
  const asked: string[] = [];
  const { activities, interceptors } = ownWorkerOptions(
    config,
    {
      activities: { recordPayment },
      interceptors: {
        activity: [
          ({ info }) => {
            asked.push(info.activityType);
            return {};
          },
        ],
      },
      shutdownGraceTimeMs: 1,
      capacity: new WorkerCapacity(config, { logger: SILENT }),
    },
    new TemporalDouble(),
    new EventPublisher(config),
  );
  const own = Object.keys(createOwnActivities({} as never));
  t.deepEqual(Object.keys(activities ?? {}), ['recordPayment', ...own]);
  t.is((activities as Record<string, unknown>)['recordPayment'], recordPayment);
  for (const activityType of ['recordPayment', ...own]) {
    const made = interceptors!.activity!.map((factory) => factory({ info: { activityType } } as never));
    t.truthy(made[0]!.inbound?.execute, 'ours are the outermost');
    t.truthy(made[1]!.inbound?.execute);
  }
  t.deepEqual(asked, ['recordPayment']);
});

test("our worker has its own tuning, and nothing of the user's deployment", (t) => {
  const config = resolveConfig(
    {
      ...CONFIG,
      worker: {
        options: { workerDeploymentOptions: {} as never, maxConcurrentActivityTaskExecutions: 1 },
        ownOptions: { maxConcurrentActivityTaskExecutions: 7 },
      },
    },
    { baseDir: '/', env: {} },
  );
  const capacity = new WorkerCapacity(config, { logger: SILENT });
  const options = ownWorkerOptions(
    config,
    { activities: {}, shutdownGraceTimeMs: 1, capacity },
    new TemporalDouble(),
    new EventPublisher(config),
  );
  t.is(options.maxConcurrentActivityTaskExecutions, 7);
  t.is(options.workerDeploymentOptions, undefined);
  t.is(options.taskQueue, 'orders-ktb');
});
