import test from 'ava';
import { BridgeMetrics } from '../../bridge/observe/metrics.js';
import { Labels } from '../../bridge/observe/labels.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { Route } from '../../bridge/config/types.js';
import { bridgeInMemory, P0 } from '../helpers/doubles/bridge-in-memory.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import { deliverable, filtered, poison, routeOf } from '../helpers/doubles/mapped-records.js';
import { withRoutes } from '../config/base-config.js';
import { observed, partitionState } from '../helpers/doubles/observed.js';

const configOf = (...routes: readonly Route[]) =>
  resolveConfig(withRoutes(...routes), { baseDir: '/', env: {} });
const ANY: Route = { id: 'any', topic: /.*/, workflow: 'w' };

test.serial('hostile event types, keys and topics make no new series', async (t) => {
  using clock = fakeClock();
  const { source, scrape, close } = await bridgeInMemory(clock, {
    routes: [
      { id: 'placed', topic: 'orders', eventType: ['placed', 'paid'], workflow: 'fulfil' },
      { id: 'rest', topic: 'orders', workflow: 'fulfil' },
    ],
  });
  const send = async (types: readonly string[]) => {
    for (const type of types)
      source.produce(P0, 1, {
        headers: { 'event-type': Buffer.from(type), 'idempotency-key': Buffer.from(`key ${type}`) },
      });
    source.poll();
    await clock.advance(1_000);
  };
  await send(['placed', 'paid', 'hostile']);
  const before = (await scrape()).samples.length;
  await send(Array.from({ length: 80 }, (_, n) => `evil-${n}"} 1\nktb_forged 1`));
  await send(['__proto__', 'constructor', 'other', '']);
  const after = await scrape();
  t.is(after.samples.length, before);
  t.is(after.value('kafka_messages_processed_total', { event_type: 'other', outcome: 'started' }), 85);
  await close();
});

test('an event type is one of the routes’, or else `other`', (t) => {
  const labels = new Labels(
    configOf({ id: 'two', topic: 'orders', eventType: ['a', 'b'], workflow: 'w' }, ANY),
  );
  const two = routeOf({ eventType: ['a', 'b'] });
  const of = (eventType: string | null) => {
    const record = deliverable({ route: two });
    return labels.eventType({ ...record, info: { ...record.info, eventType } });
  };
  t.deepEqual(['a', 'b', 'c', null].map(of), ['a', 'b', 'other', 'other']);
  t.is(labels.eventType(poison()), 'other');
  t.is(
    labels.eventType({ ...filtered(), route: routeOf({ eventType: 'a' }) }),
    'a',
    'its route takes no other',
  );
});

test('of a pattern’s topics 200 are told apart, and the topics that routes name always are', (t) => {
  const labels = new Labels(configOf({ id: 'named', topic: 'orders', workflow: 'w' }, ANY));
  const names = new Set(Array.from({ length: 1_000 }, (_, n) => labels.topic(`t-${n}`)));
  t.is(names.size, 200);
  t.true(names.has('other'));
  t.is(labels.topic('orders'), 'orders');
  t.is(labels.topic('t-0'), 't-0');
  t.is(labels.topic('t-999'), 'other');
});

test('a route that is not there is `other`', (t) => {
  const labels = new Labels(configOf(ANY));
  t.deepEqual(
    [labels.route('any'), labels.route('gone'), labels.route(undefined)],
    ['any', 'other', 'other'],
  );
});

test('the lag of topics beyond the bound is told as one', async (t) => {
  const metrics = new BridgeMetrics(configOf(ANY));
  const partitions = Array.from({ length: 300 }, (_, n) => partitionState({ topic: `t-${n}` }));
  const text = await metrics.text(observed({ partitions }), true);
  const lags = text.split('\n').filter((line) => line.startsWith('ktb_consumer_lag{'));
  t.is(lags.length, 201);
  t.true(lags.includes('ktb_consumer_lag{consumergroup="orders",topic="other",partition="other"} 300'));
});
