import test from 'ava';
import { deadLetterTopicFor } from '../../bridge/config/dead-letter-topic.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { topicMatcher } from '../../bridge/config/topic-pattern.js';
import type { Route } from '../../bridge/config/types.js';
import { BridgeError } from '../../bridge/errors.js';
import { withRoutes } from './base-config.js';

const resolve = (...routes: readonly Route[]) =>
  resolveConfig(withRoutes(...routes), { baseDir: '/', env: {} }).routes;

function problemOf(...routes: readonly object[]): string | undefined {
  try {
    resolve(...(routes.map((route) => ({ workflow: 'w', ...route })) as Route[]));
    return undefined;
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    return error.message;
  }
}

test('`true` is the topic of the record and `.dlq`, a name is itself, and by default there is none', (t) => {
  const [same, named, none] = resolve(
    { topic: 'orders', workflow: 'w', deadLetterTopic: true },
    { topic: 'payments', workflow: 'w', deadLetterTopic: 'dead' },
    { topic: 'refunds', workflow: 'w' },
  );
  t.is(deadLetterTopicFor(same!, 'orders'), 'orders.dlq');
  t.is(deadLetterTopicFor(named!, 'payments'), 'dead');
  t.is(deadLetterTopicFor(none!, 'refunds'), undefined);
});

test('a pattern with `true` takes no topic of dead letters, and all that it took before', (t) => {
  const [route, plain] = resolve(
    { topic: /orders-.*|refunds.*/i, workflow: 'w', deadLetterTopic: true },
    { topic: /orders-.*/, workflow: 'w' },
  );
  const takes = topicMatcher(route!.topic);
  t.deepEqual(
    [
      'orders-eu',
      'refunds',
      'Orders-EU',
      'orders-eu.dlq',
      'refunds.dlq',
      'refunds.dlq.dlq',
      'orders-dlq',
      'x',
    ].map(takes),
    [true, true, true, false, false, false, true, false],
  );
  t.is(route!.id, 'orders-.*|refunds.*', 'its ID is of the pattern as it was given');
  t.true(topicMatcher(plain!.topic)('orders-eu.dlq'));
});

for (const [what, routes, message] of [
  [
    'false',
    [{ topic: 'a', deadLetterTopic: false }],
    "Expected `routes[0].deadLetterTopic` to be true or a topic's name, got false",
  ],
  [
    'what no broker takes',
    [{ topic: 'a', deadLetterTopic: 'a b' }],
    'Expected `routes[0].deadLetterTopic` to be true or a topic\'s name, got "a b"',
  ],
  [
    'the topic that the route reads',
    [{ topic: 'a', deadLetterTopic: 'a' }],
    'Expected `routes[0].deadLetterTopic` to be a topic that the route does not read, got "a"',
  ],
  [
    'a topic that its pattern takes',
    [{ topic: 'b' }, { topic: /a.*/, deadLetterTopic: 'a-dead' }],
    'Expected `routes[1].deadLetterTopic` to be a topic that the route does not read, got "a-dead"',
  ],
  [
    'a name that is too long with the ending',
    [{ topic: 'a'.repeat(246), deadLetterTopic: true }],
    /^Expected `routes\[0\]\.deadLetterTopic` to be a name of at most 249 characters, got "a+…"$/,
  ],
  [
    'a way round over other routes',
    [
      { topic: 'a', deadLetterTopic: 'b' },
      { topic: 'b', deadLetterTopic: true },
      { topic: /b\..*/, deadLetterTopic: 'a' },
    ],
    /^Expected `routes\[0\]\.deadLetterTopic` to be a topic that does not lead back to the route, got "b": routes\[1\], then routes\[2\] reads it/m,
  ],
] as const)
  test(`${what} is refused`, (t) => {
    const problem = problemOf(...routes);
    if (typeof message === 'string') t.is(problem, message);
    else t.regex(problem ?? '', message);
  });

test('another route may read the topic of dead letters, as long as nothing comes back', (t) => {
  t.is(
    problemOf(
      { topic: 'a', deadLetterTopic: true },
      { topic: 'a.dlq', deadLetterTopic: 'given-up' },
      { topic: /given-.*/, eventType: 'x' },
    ),
    undefined,
  );
});
