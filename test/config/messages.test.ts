import test from 'ava';
import { validateConfig } from '../../bridge/config/schema.js';
import { BridgeError } from '../../bridge/errors.js';
import { BASE } from './base-config.js';

function problemsOf(config: unknown): string[] {
  try {
    validateConfig(config);
    return [];
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'KTB_CONFIG') throw error;
    return error.message.split('\n');
  }
}

const route = (fields: Record<string, unknown>): unknown => ({
  ...BASE,
  routes: [{ topic: 'orders', workflow: 'fulfilOrder', ...fields }],
});

/** [what is wrong, the config, its only message] */
const CASES: readonly (readonly [string, unknown, string])[] = [
  [
    'a topic that is a number',
    route({ topic: 42 }),
    'Expected `routes[0].topic` to be a string or a RegExp, got 42',
  ],
  [
    'a topic that no broker takes',
    route({ topic: 'a b' }),
    "Expected `routes[0].topic` to be a topic's name (1 to 249 letters, digits, '.', '_' or '-'); a pattern is a RegExp, got \"a b\"",
  ],
  [
    'no name',
    { ...BASE, name: undefined },
    "Expected `name` to be 1 to 64 letters, digits, '.', '_' or '-', got undefined",
  ],
  ['no config', undefined, 'Expected the config to be an object, got undefined'],
  ['a config that is text', 'orders', 'Expected the config to be an object, got "orders"'],
  [
    'brokers without a port',
    { ...BASE, kafka: { ...BASE.kafka, brokers: ['localhost'] } },
    'Expected `kafka.brokers` to be an array of `host:port`, not empty, got an array',
  ],
  [
    'no brokers',
    { ...BASE, kafka: { ...BASE.kafka, brokers: [] } },
    'Expected `kafka.brokers` to be an array of `host:port`, not empty, got an empty array',
  ],
  [
    'no task queue',
    { ...BASE, temporal: {} },
    'Expected `temporal.taskQueue` to be a string that is not empty, without control characters, got undefined',
  ],
  [
    'a step that is larger than what a route holds',
    route({ demand: { buffer: 5, resumeBelow: 2 } }),
    'Expected `routes[0].demand.step` to be at most `routes[0].demand.buffer` (5), got 10',
  ],
  [
    'a route that asks again at more than it holds',
    route({ demand: { resumeBelow: 101 } }),
    'Expected `routes[0].demand.resumeBelow` to be at most `routes[0].demand.buffer` (100), got 101',
  ],
  [
    'a zero',
    { ...BASE, maxPollRecords: 0 },
    'Expected `maxPollRecords` to be a positive whole number, got 0',
  ],
  [
    'a time that is text',
    { ...BASE, drainTimeoutMs: '30s' },
    'Expected `drainTimeoutMs` to be a whole number of milliseconds from 1 to 2147483647, got "30s"',
  ],
  [
    'a time that overflows a timer',
    { ...BASE, watchdogMs: 2 ** 31 },
    'Expected `watchdogMs` to be a whole number of milliseconds from 1 to 2147483647, got 2147483648',
  ],
  [
    'a word that is not among the choices',
    { ...BASE, onUnrouted: 'drop' },
    "Expected `onUnrouted` to be 'quarantine' or 'ignore', got \"drop\"",
  ],
  [
    'a prefix that could forge our IDs',
    { ...BASE, idPrefix: 'ktb/x' },
    'Expected `idPrefix` to be a string of at most 64 bytes, without control characters, that neither begins with \'ktb/\' nor is a beginning of it, got "ktb/x"',
  ],
  [
    'a prefix that could begin one of our IDs',
    { ...BASE, idPrefix: 'kt' },
    'Expected `idPrefix` to be a string of at most 64 bytes, without control characters, that neither begins with \'ktb/\' nor is a beginning of it, got "kt"',
  ],
  [
    'no routes',
    { ...BASE, routes: [] },
    'Expected `routes` to be an array of at least one route, got an empty array',
  ],
  [
    'routes that are no array',
    { ...BASE, routes: {} },
    'Expected `routes` to be an array of routes, got an object',
  ],
  [
    'a route to nothing',
    route({ workflow: undefined }),
    'Expected `routes[0]` to have exactly one of `workflow`, `activity`, `signal` and `update`, got none',
  ],
  [
    'a route to two',
    route({ activity: 'pay' }),
    'Expected `routes[0]` to have exactly one of `workflow`, `activity`, `signal` and `update`, got `workflow` and `activity`',
  ],
  [
    'an activity option on a workflow route',
    route({ heartbeatTimeoutMs: 5 }),
    'Expected `routes[0].heartbeatTimeoutMs` on an activity route only, got a workflow route',
  ],
  [
    'a task queue on an activity route',
    route({ workflow: undefined, activity: 'pay', options: { taskQueue: 'x' } }),
    'Expected `routes[0].options.taskQueue` on a workflow route only, got an activity route',
  ],
  [
    'a pointer without a slash',
    route({ key: 'orderId' }),
    'Expected `routes[0].key` to be a JSON pointer: empty, or beginning with \'/\', got "orderId"',
  ],
  [
    'a route to a signal and an update',
    route({ workflow: undefined, signal: 's', update: 'u', workflowId: '/id' }),
    'Expected `routes[0]` to have exactly one of `workflow`, `activity`, `signal` and `update`, got `signal` and `update`',
  ],
  [
    'a signal for nobody',
    route({ workflow: undefined, signal: 's' }),
    'Expected `routes[0].workflowId` to be a JSON pointer or a function, got undefined',
  ],
  [
    "a signal's option on a workflow route",
    route({ waitForWorkflowMs: 5 }),
    'Expected `routes[0].waitForWorkflowMs` on a signal or update route only, got a workflow route',
  ],
  [
    'retries of a signal',
    route({ workflow: undefined, signal: 's', workflowId: '/id', retry: {} }),
    'Expected `routes[0].retry` on a workflow or activity route only, got a signal route',
  ],
  [
    'a delayed update',
    route({ workflow: undefined, update: 'u', workflowId: '/id', notBefore: '/at' }),
    'Expected `routes[0].notBefore` on a workflow or activity route only, got an update route',
  ],
  [
    'a new start without one',
    route({ workflow: undefined, signal: 's', workflowId: '/id', onClosed: 'startNew' }),
    'Expected `routes[0].onClosed` to be \'deadLetter\' on a route without `start`, got "startNew"',
  ],
  [
    'options of a start without one',
    route({ workflow: undefined, signal: 's', workflowId: '/id', options: { taskQueue: 'q' } }),
    'Expected `routes[0].options` on a route with `start`, got one without',
  ],
  [
    "a target's ID that is no pointer",
    route({ workflow: undefined, signal: 's', workflowId: 'orderId' }),
    'Expected `routes[0].workflowId` to be a JSON pointer: empty, or beginning with \'/\', got "orderId"',
  ],
  [
    'an age of nothing',
    route({ maxAgeMs: 0 }),
    'Expected `routes[0].maxAgeMs` to be a positive whole number of milliseconds, got 0',
  ],
  [
    'a pointer with a wrong escape',
    route({ eventTypeFrom: '/a~2' }),
    'Expected `routes[0].eventTypeFrom` to be a JSON pointer: empty, or beginning with \'/\', got "/a~2"',
  ],
  [
    'a key that is a number',
    route({ key: 1 }),
    'Expected `routes[0].key` to be a JSON pointer or a function, got 1',
  ],
  [
    'a route ID of ours',
    route({ id: 'ktb' }),
    "Expected `routes[0].id` to be a string of at most 128 bytes, without control characters, not 'ktb' and not beginning with 'ktb/', got \"ktb\"",
  ],
  [
    'no event types',
    route({ eventType: [] }),
    'Expected `routes[0].eventType` to be a string or an array of strings, not empty, got an empty array',
  ],
  [
    'a duration that is none',
    route({ options: { workflowRunTimeout: 'soon' } }),
    'Expected `routes[0].options.workflowRunTimeout` to be a duration: milliseconds, or text such as \'30 seconds\', got "soon"',
  ],
  [
    'no attempts',
    route({ retry: { maximumAttempts: 0 } }),
    'Expected `routes[0].retry.maximumAttempts` to be a positive whole number or Infinity, got 0',
  ],
  [
    'a longest wait below the first',
    route({ retry: { maximumIntervalMs: 10 } }),
    'Expected `routes[0].retry.maximumIntervalMs` to be at least the initial interval (1000), got 10',
  ],
  [
    'an unknown decoder',
    { ...BASE, decoder: 'xml' },
    "Expected `decoder` to be 'json', 'text', 'bytes', 'cloudevents', a schema registry ({ type: 'schema-registry', url }) or a function, got \"xml\"",
  ],
  [
    'a registry without a URL',
    route({ decoder: { type: 'schema-registry' } }),
    'Expected `routes[0].decoder.url` to be an http or https URL, got undefined',
  ],
  [
    'a quarantine limit that is true',
    { ...BASE, quarantineLimit: true },
    'Expected `quarantineLimit` to be false or an object, got true',
  ],
  [
    'a share over 1',
    { ...BASE, quarantineLimit: { share: 20 } },
    'Expected `quarantineLimit.share` to be a number from 0 to 1, got 20',
  ],
  [
    'a limit that can never hold',
    { ...BASE, quarantineLimit: { count: 500 } },
    'Expected `quarantineLimit.count` to be less than `quarantineLimit.window` (500), got 500',
  ],
  ['a misspelt field', { ...BASE, idprefix: 'x' }, 'Unknown field `idprefix`; did you mean `idPrefix`?'],
  [
    'a misspelt field of a route',
    route({ topik: 'x' }),
    'Unknown field `routes[0].topik`; did you mean `topic`?',
  ],
  [
    'a misspelt field of a registry',
    { ...BASE, decoder: { type: 'schema-registry', url: 'http://r', timeout: 1 } },
    'Unknown field `decoder.timeout`; did you mean `timeoutMs`?',
  ],
  [
    'a field that is like no other',
    { ...BASE, buffer: { zebra: 1 } },
    'Unknown field `buffer.zebra`; known are `records`, `bytes`',
  ],
  [
    'an odd name of a field',
    { ...BASE, buffer: { 'a b': 1 } },
    'Unknown field `buffer["a b"]`; known are `records`, `bytes`',
  ],
];

for (const [what, config, message] of CASES) {
  test(`the message for ${what} names the field, what was expected and what came`, (t) => {
    t.deepEqual(problemsOf(config), [message]);
  });
}

test('the same ID on two routes is refused', (t) => {
  const routes = [
    { id: 'a', topic: 'x', workflow: 'w' },
    { id: 'a', topic: 'y', workflow: 'w' },
  ];
  t.deepEqual(problemsOf({ ...BASE, routes }), [
    'Expected `routes[1].id` to be unique, got "a", as routes[0] has',
  ]);
});

test('all problems are said at once, one line each', (t) => {
  const config = {
    ...BASE,
    name: 'a b',
    maxBacklog: -1,
    routes: [{ topic: 7, retry: { maximumAttempts: 1.5 } }],
    typo: 1,
  };
  const problems = problemsOf(config);
  t.is(problems.length, 6);
  for (const part of [
    '`name`',
    '`maxBacklog`',
    '`routes[0].topic`',
    '`routes[0].retry.maximumAttempts`',
    '`typo`',
    '`routes[0]`',
  ]) {
    t.is(problems.filter((line) => /`.*?`/.exec(line)?.[0] === part).length, 1, part);
  }
});

test('a hostile string stays one bounded line', (t) => {
  const [message, ...others] = problemsOf(route({ topic: `a\nb${'x'.repeat(10_000)}` }));
  t.deepEqual(others, []);
  t.true(message!.length < 300);
});

test('a config that uses everything is taken, and is the object that was given', (t) => {
  const decoder = (): unknown => null;
  const config = {
    ...BASE,
    idPrefix: 'orders/',
    kafka: {
      ...BASE.kafka,
      brokers: ['a:1', '[::1]:9092'],
      ssl: true,
      sasl: { mechanism: 'plain', username: 'u', password: 'p' },
      startFrom: 'end',
    },
    temporal: {
      ...BASE.temporal,
      address: 'a:7233',
      namespace: 'n',
      tls: null,
      apiKey: 'k',
      dataConverter: {},
    },
    worker: { workflowsPath: './w', activities: { pay: () => null }, shutdownGraceTimeMs: 1, options: {} },
    decoder: {
      type: 'schema-registry',
      url: 'https://r:8081',
      auth: { username: 'u', password: 'p' },
      timeoutMs: 100,
    },
    quarantineLimit: false,
    routes: [
      {
        id: 'one',
        topic: /^a/g,
        eventType: ['x', 'y'],
        eventTypeFrom: '/a~1b',
        decoder,
        key: '',
        filter: () => true,
        workflow: 'w',
        retry: { maximumAttempts: Infinity, nonRetryableErrors: ['E'] },
        options: { taskQueue: 'q', workflowRunTimeout: '1 hour', workflowTaskTimeout: 5, memo: {} },
      },
      {
        topic: 'b',
        activity: 'pay',
        key: () => 'k',
        startToCloseTimeoutMs: 1,
        scheduleToCloseTimeoutMs: 1,
        heartbeatTimeoutMs: 1,
        notBefore: '/at',
        maxAgeMs: 30 * 86_400_000,
        onExpired: 'quarantine',
      },
      { topic: 'c', signal: 's', workflowId: '/id', waitForWorkflowMs: 1 },
      {
        topic: 'd',
        update: 'u',
        workflowId: () => 'id',
        start: 'w',
        onClosed: 'startNew',
        options: { taskQueue: 'q', memo: {} },
      },
    ],
  };
  t.is(validateConfig(config) as unknown, config);
  t.is(config.routes[0]!.decoder, decoder);
});
