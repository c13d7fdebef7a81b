import path from 'node:path';
import test from 'ava';
import { overlappingRoutes, resolveConfig } from '../../bridge/config/resolve.js';
import type { BridgeConfig, Route } from '../../bridge/config/types.js';
import { BASE, withRoutes } from './base-config.js';

const resolve = (config: BridgeConfig, env: Record<string, string> = {}) =>
  resolveConfig(config, { baseDir: '/project', env });
const idsOf = (...routes: readonly Route[]) => resolve(withRoutes(...routes)).routes.map((route) => route.id);

test('every default of the design is in place', (t) => {
  const config = resolve(BASE);
  t.like(config, {
    name: 'orders',
    idPrefix: '',
    baseDir: path.resolve('/project'),
    onUnrouted: 'quarantine',
    buffer: { records: 1_000, bytes: 33_554_432 },
    maxPollRecords: 100,
    maxConcurrentStarts: 100,
    maxBacklog: 1_000,
    quarantineLimit: { count: 50, share: 0.2, window: 500 },
    foreignLimit: 20,
    circuit: { failures: 5, halfOpenAfterMs: 10_000 },
    keySearchAttribute: 'plain',
    drainTimeoutMs: 30_000,
    watchdogMs: 60_000,
    logLevel: 'info',
  });
  t.like(config.kafka, {
    clientId: 'ktb-orders',
    startFrom: 'beginning',
    onLostRange: 'continue',
    sessionTimeoutMs: 30_000,
    maxWaitTimeMs: 400,
    commitIntervalMs: 250,
  });
  t.like(config.temporal, {
    address: 'localhost:7233',
    namespace: 'default',
    tls: undefined,
    apiKey: undefined,
  });
  t.like(config.worker, { shutdownGraceTimeMs: 20_000 });
  t.like(config.routes[0], {
    id: 'orders',
    decoder: 'json',
    missingKey: 'coordinates',
    onConflict: 'quarantine',
    priority: 'medium',
  });
});

test('what is given stands, beside the defaults of its section', (t) => {
  const config = resolve({
    ...BASE,
    buffer: { records: 5, bytes: undefined },
    quarantineLimit: { share: 0.5 },
    decoder: 'text',
  });
  t.deepEqual(config.buffer, { records: 5, bytes: 33_554_432 });
  t.deepEqual(config.quarantineLimit, { count: 50, share: 0.5, window: 500 });
  t.is(config.routes[0]!.decoder, 'text');
  t.is(resolve({ ...BASE, quarantineLimit: false }).quarantineLimit, undefined);
});

test('a signal and an update route have their defaults', (t) => {
  const [signal, update] = resolve(
    withRoutes(
      { topic: 'a', signal: 's', workflowId: '/id' },
      { topic: 'b', update: 'u', workflowId: '/id', start: 'w', onClosed: 'startNew', waitForWorkflowMs: 5 },
    ),
  ).routes;
  t.deepEqual(signal!.target, {
    kind: 'signal',
    name: 's',
    workflowId: '/id',
    start: undefined,
    waitForWorkflowMs: 60_000,
    onClosed: 'deadLetter',
    options: {},
  });
  t.like(update!.target, {
    kind: 'update',
    name: 'u',
    start: 'w',
    onClosed: 'startNew',
    waitForWorkflowMs: 5,
  });
  t.like(signal, { notBefore: undefined, maxAgeMs: undefined, onExpired: 'count' });
});

test('a workflow route has no retries unless asked, an activity route has the default ones', (t) => {
  const [plain, retried, activity] = resolve(
    withRoutes(
      { topic: 'a', workflow: 'w' },
      { topic: 'b', workflow: 'w', retry: { maximumAttempts: 3 } },
      { topic: 'c', activity: 'x', retry: { initialIntervalMs: 120_000 } },
    ),
  ).routes;
  t.is(plain!.target.kind === 'workflow' && plain!.target.retry, undefined);
  const rest = {
    initialIntervalMs: 1_000,
    maximumIntervalMs: 60_000,
    backoffCoefficient: 2,
    nonRetryableErrors: [],
  };
  t.deepEqual(retried!.target.kind === 'workflow' && retried!.target.retry, { maximumAttempts: 3, ...rest });
  t.deepEqual(activity!.target, {
    kind: 'activity',
    activity: {
      activity: 'x',
      retry: { ...rest, maximumAttempts: 10, initialIntervalMs: 120_000, maximumIntervalMs: 120_000 },
      startToCloseTimeoutMs: 60_000,
      heartbeatTimeoutMs: 30_000,
    },
    options: {},
  });
});

test('endless retries survive JSON', (t) => {
  const [route] = resolve(
    withRoutes({ topic: 'a', activity: 'x', retry: { maximumAttempts: Infinity } }),
  ).routes;
  const target = JSON.parse(JSON.stringify(route!.target)) as {
    activity: { retry: { maximumAttempts: number } };
  };
  t.is(target.activity.retry.maximumAttempts, 0);
});

test('default route IDs are made of topic and event types', (t) => {
  t.deepEqual(
    idsOf(
      { topic: 'orders', workflow: 'w' },
      { topic: 'orders', eventType: 'order.placed', workflow: 'w' },
      { topic: 'orders', eventType: ['b', 'a'], workflow: 'w' },
      { topic: /orders-.*/i, workflow: 'w' },
    ),
    ['orders', 'orders:order.placed', 'orders:b,a', 'orders-.*'],
  );
});

test('default route IDs are made unique, and never take a given one', (t) => {
  t.deepEqual(
    idsOf(
      { topic: 'orders', workflow: 'w' },
      { topic: 'orders', workflow: 'v' },
      { id: 'orders-2', topic: 'x', workflow: 'w' },
      { topic: 'y', workflow: 'w', id: 'orders' },
    ),
    ['orders-3', 'orders-4', 'orders-2', 'orders'],
  );
});

test('a topic called ktb needs a route ID of its own', (t) => {
  t.throws(() => idsOf({ topic: 'ktb', workflow: 'w' }), {
    message: /^Expected `routes\[0\]\.id` to be given/,
  });
  t.notThrows(() => idsOf({ id: 'x', topic: 'ktb', workflow: 'w' }));
});

test('paths of the worker start from the config', (t) => {
  const activities = { pay: () => null };
  const { worker } = resolve({
    ...BASE,
    worker: { workflowsPath: './workflows', activities: '../a/index.ts' },
  });
  t.is(worker.workflowsPath, path.resolve('/project/workflows'));
  t.is(worker.activities, path.resolve('/a/index.ts'));
  t.is(resolve({ ...BASE, worker: { activities } }).worker.activities, activities);
});

test("what is ours is frozen, what is the user's is not", (t) => {
  const user = {
    ssl: { ca: 'x' },
    dataConverter: { payloadCodecs: [] },
    tls: { serverNameOverride: 'x' },
    memo: {},
    activities: {},
  };
  const config = resolve({
    ...BASE,
    kafka: { ...BASE.kafka, ssl: user.ssl },
    temporal: { ...BASE.temporal, dataConverter: user.dataConverter, tls: user.tls },
    worker: { activities: user.activities },
    routes: [{ topic: 'a', workflow: 'w', options: { memo: user.memo } }],
  });
  const ours = [
    config,
    config.kafka,
    config.kafka.brokers,
    config.temporal,
    config.worker,
    config.routes,
    config.routes[0],
    config.routes[0]!.target,
    config.routes[0]!.target.options,
    config.buffer,
    config.circuit,
    config.quarantineLimit,
  ];
  for (const one of ours) t.true(Object.isFrozen(one));
  for (const one of Object.values(user)) t.false(Object.isFrozen(one));
  t.is(config.temporal.dataConverter, user.dataConverter);
  t.false(Object.isFrozen(BASE.kafka.brokers));
});

const warningsOf = (...routes: readonly Route[]) => overlappingRoutes(resolve(withRoutes(...routes)).routes);

test('a route without an event type hides those after it', (t) => {
  t.deepEqual(warningsOf({ topic: 'a', workflow: 'w' }, { topic: 'a', eventType: 'x', workflow: 'w' }), [
    'The route "a:x" is never reached: the route "a" before it takes all its records; put the narrower one first',
  ]);
});

test('an event type that two routes name goes to the first', (t) => {
  t.deepEqual(
    warningsOf(
      { topic: 'a', eventType: 'x', workflow: 'w' },
      { id: 'second', topic: 'a', eventType: 'x', workflow: 'w' },
    ),
    ['The route "second" is never reached: the route "a:x" before it takes all its records'],
  );
  t.deepEqual(
    warningsOf(
      { topic: 'a', eventType: 'x', workflow: 'w' },
      { topic: 'a', eventType: ['x', 'y'], workflow: 'w' },
    ),
    ['The route "a:x,y" never gets the event type "x": the route "a:x" before it takes it'],
  );
});

test('a pattern that matches a later topic hides it', (t) => {
  t.deepEqual(
    warningsOf(
      { topic: /a.*/g, workflow: 'w' },
      { topic: 'ab', workflow: 'w' },
      { topic: 'ac', workflow: 'w' },
    ),
    [
      'The route "ab" is never reached: the route "a.*" before it takes all its records',
      'The route "ac" is never reached: the route "a.*" before it takes all its records',
    ],
  );
});

test('routes from narrow to wide give no warning', (t) => {
  t.deepEqual(
    warningsOf(
      { topic: 'a', eventType: 'x', workflow: 'w' },
      { topic: 'a', eventType: 'y', workflow: 'w' },
      { topic: 'a', workflow: 'w' },
      { topic: /a|b/, workflow: 'w' },
      { topic: /b.*/, workflow: 'w' },
      { topic: 'xb', workflow: 'w' },
    ),
    [],
  );
});
