import test from 'ava';
import { topicsOf } from '../../bridge/intake/record-mapper.js';
import { delivered, mapOne, mapperOf, record, route, routeOf, verdict } from './records.js';

test('a record comes with its event, what is known of it, and its key', async (t) => {
  const headers = {
    'idempotency-key': 'k',
    'event-type': 'order.placed',
    x: [Buffer.from('1'), Buffer.from([0xff])],
  };
  const mapped = delivered(await mapOne([route()], { key: 'A1', value: { total: 5 }, headers }));
  t.deepEqual(mapped.event, { total: 5 });
  t.deepEqual(mapped.key, { source: 'header', text: 'k' });
  t.is(mapped.priority, 'medium');
  t.deepEqual(
    { ...mapped.info, headers: { ...mapped.info.headers } },
    {
      topic: 'orders',
      partition: 3,
      offset: '42',
      timestamp: 1_700_000_000_000,
      key: 'A1',
      headers: { 'idempotency-key': 'k', 'event-type': 'order.placed', x: ['1', '~hex:ff'] },
      eventType: 'order.placed',
      idempotencyKey: 'k',
    },
  );
});

test('the first route that matches takes the record', async (t) => {
  const routes = [
    route({ id: 'placed', eventType: 'order.placed' }),
    route({ id: 'some', eventType: ['a', 'b'] }),
    route({ id: 'rest' }),
    route({ id: 'never' }),
  ];
  const of = async (type?: string): Promise<unknown> =>
    routeOf(await mapOne(routes, { headers: type === undefined ? {} : { 'event-type': type } }));
  t.deepEqual(
    [await of('order.placed'), await of('b'), await of('c'), await of()],
    ['placed', 'some', 'rest', 'rest'],
  );
});

test('a pattern matches the whole name of a topic, each time, whatever its flags', async (t) => {
  const mapper = mapperOf([route({ id: 'pattern', topic: /orders-(eu|us)|ORDERS/giy })]);
  for (const topic of ['orders-eu', 'orders-us', 'orders', 'orders-eu', 'Orders-US']) {
    t.is(routeOf(await mapper.map(record({ topic }))), 'pattern', topic);
  }
  for (const topic of ['orders-eu-dead', 'my-orders-eu', 'my-orders']) {
    t.is((await mapper.map(record({ topic }))).kind, 'quarantine', topic);
  }
});

test('the topics of the routes come once each, patterns as they are used', (t) => {
  const topics = topicsOf(
    [route(), route({ eventType: 'x' }), route({ topic: /a|b/g }), route({ topic: /a|b/ })].map((one) => ({
      topic: one.topic,
    })),
  );
  t.deepEqual(topics, ['orders', /^(?:a|b)$/]);
});

test('the event type is read by the pointer, else the header, else ce_type, else a structured CloudEvent', async (t) => {
  const typeOf = async (fields: Parameters<typeof mapOne>[1], pointer?: string): Promise<unknown> =>
    delivered(await mapOne([route({ eventType: ['p', 'h', 'c', 's', '7'], eventTypeFrom: pointer })], fields))
      .info.eventType;
  const structured = { 'content-type': 'application/cloudevents+json' };
  const all = { 'event-type': 'h', ce_type: 'c', ...structured };
  t.is(await typeOf({ value: { t: 'p', type: 's' }, headers: all }, '/t'), 'p');
  t.is(await typeOf({ value: { t: 7 } }, '/t'), '7');
  t.is(await typeOf({ value: { type: 's' }, headers: all }), 'h');
  t.is(await typeOf({ value: { type: 's' }, headers: { ce_type: 'c', ...structured } }), 'c');
  t.is(await typeOf({ value: { type: 's' }, headers: structured }), 's');
});

test('an unknown event type, or none, has no route', async (t) => {
  const routes = [route({ eventType: 'order.placed' })];
  t.deepEqual(verdict(await mapOne(routes, { headers: { 'event-type': 'x\ny' } })), {
    kind: 'quarantine',
    route: undefined,
    reason: 'unroutable',
    message: 'No route takes the event type "~hex:780a79" from the topic "orders"',
  });
  t.like(verdict(await mapOne(routes, {})), {
    reason: 'unroutable',
    message: 'No route takes a record without an event type from the topic "orders"',
  });
  t.like(verdict(await mapOne(routes, { topic: 'other' })), {
    reason: 'unroutable',
    message: 'No route takes the topic "other"',
  });
  t.like(verdict(await mapOne([route({ eventType: 'x', eventTypeFrom: '/t' })], { value: { t: {} } })), {
    reason: 'unroutable',
  });
});

test("with onUnrouted 'ignore' an event without a route is passed by", async (t) => {
  t.deepEqual(verdict(await mapOne([route({ eventType: 'x' })], {}, { onUnrouted: 'ignore' })), {
    kind: 'filtered',
    route: undefined,
  });
});

test('an event type that is not UTF-8 is compared as its hex', async (t) => {
  const headers = { 'event-type': Buffer.from([0xff]) };
  t.is(routeOf(await mapOne([route({ id: 'odd', eventType: '~hex:ff' })], { headers })), 'odd');
});

test('a record is decoded once by each decoder, however many routes ask', async (t) => {
  let calls = 0;
  const decoder = (value: Buffer): unknown => {
    calls++;
    return JSON.parse(value.toString());
  };
  const routes = ['a', 'b', 'c'].map((eventType) => route({ eventType, eventTypeFrom: '/t' }));
  t.is(delivered(await mapOne(routes, { value: { t: 'c' } }, { decoder })).info.eventType, 'c');
  t.is(calls, 1);
});

test('a decoder is told of the record', async (t) => {
  const decoder = (value: Buffer, context: unknown): unknown => ({
    size: value.length,
    ...(context as object),
  });
  const mapped = delivered(
    await mapOne([route({ decoder })], { key: 'k', value: 'abc', headers: { x: 'y' } }),
  );
  t.like(mapped.event, {
    size: 3,
    topic: 'orders',
    partition: 3,
    headers: { x: Buffer.from('y') },
    key: Buffer.from('k'),
  });
});

test('a filter passes records by', async (t) => {
  const filter = (event: { total: number }, info: { idempotencyKey: string | null }): boolean =>
    event.total > 5 && info.idempotencyKey === 'k';
  const headers = { 'idempotency-key': 'k' };
  t.is((await mapOne([route({ filter })], { value: { total: 6 }, headers })).kind, 'deliver');
  t.deepEqual(verdict(await mapOne([route({ filter })], { value: { total: 5 }, headers })), {
    kind: 'filtered',
    route: 'orders',
  });
  t.is(
    (await mapOne([route({ filter: () => false })], { headers: { 'idempotency-key': 'ktb/x' } })).kind,
    'filtered',
  );
});

test('a record without a key goes by its coordinates, or to quarantine', async (t) => {
  t.deepEqual(delivered(await mapOne([route()], {})).key, { source: 'coordinates', text: undefined });
  t.deepEqual(verdict(await mapOne([route({ key: '/id', missingKey: 'quarantine' })], {})), {
    kind: 'quarantine',
    route: 'orders',
    reason: 'missing-key',
    message: 'Expected an idempotency key (at "/id" in the event), got none',
  });
});

test("a key function is told the header's key, to fall back on", async (t) => {
  const key = (event: { id?: string }, info: { idempotencyKey: string | null }): string | null =>
    event.id ?? info.idempotencyKey;
  const mapped = delivered(await mapOne([route({ key })], { headers: { 'idempotency-key': 'k' } }));
  t.deepEqual(mapped.key, { source: 'route', text: 'k' });
});

test('a hostile header of priority changes nothing, and is said once a route', async (t) => {
  const said: string[] = [];
  const mapper = mapperOf([route({ priority: 'low' })], {}, undefined, (message) => said.push(message));
  const hostile = [
    'urgent',
    '1',
    'high\u0000',
    '\u212aigh',
    '__proto__',
    'x'.repeat(100_000),
    '\r\nhigh, low',
  ];
  const bytes = [Buffer.from([0xff, 0xfe]), Buffer.alloc(0), [Buffer.from('high'), Buffer.from('nonsense')]];
  for (const priority of [...hostile, ...bytes]) {
    const one = record({ headers: { priority } });
    t.is(delivered(await mapper.map(one)).priority, 'low');
    t.is(mapper.priorityOf(one), 'low');
  }
  t.deepEqual(said, [
    'route `orders`: Expected header `priority` to be high, medium or low, got "urgent"; such records have the route\'s (said once)',
  ]);
  t.is(
    delivered(await mapper.map(record({ headers: { priority: [Buffer.from('no'), Buffer.from('High')] } })))
      .priority,
    'high',
  );
});

test('a priority is known before decoding by the header, or where all routes of the topic have the same', (t) => {
  const both = [
    route({ id: 'a', eventType: 'a', priority: 'low' }),
    route({ id: 'b', eventType: 'b', priority: 'high' }),
    route({ id: 'c', topic: /pay.*/, priority: 'high' }),
  ];
  const mapper = mapperOf(both);
  t.is(mapper.priorityOf(record({ headers: { priority: 'medium' } })), 'medium');
  t.is(mapper.priorityOf(record()), undefined);
  t.is(mapper.priorityOf(record({ topic: 'payments' })), 'high');
  t.is(mapper.priorityOf(record({ topic: 'elsewhere' })), 'medium');
});

test("the header's priority counts, else the route's", async (t) => {
  const of = async (header?: string): Promise<string> =>
    delivered(
      await mapOne([route({ priority: 'low' })], {
        headers: header === undefined ? {} : { priority: header },
      }),
    ).priority;
  t.deepEqual(
    [await of('HIGH'), await of(' medium '), await of('urgent'), await of()],
    ['high', 'medium', 'low', 'low'],
  );
});
