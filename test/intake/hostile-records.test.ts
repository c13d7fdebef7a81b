import test from 'ava';
import { BridgeError } from '../../bridge/errors.js';
import { delivered, mapOne, mapperOf, record, route, verdict } from './records.js';

test('a tombstone is not decoded: its event is null', async (t) => {
  const decoder = (): never => t.fail() as never;
  for (const one of ['json', 'cloudevents', 'bytes', decoder] as const) {
    const mapped = delivered(
      await mapOne([route({ decoder: one })], { value: null, headers: { 'idempotency-key': 'k' } }),
    );
    t.is(mapped.event, null);
    t.is(mapped.key.text, 'k');
  }
});

test('what can not be decoded is quarantined, without a route', async (t) => {
  for (const value of ['', 'no json', Buffer.from([0xff]), '['.repeat(100_000)]) {
    t.like(verdict(await mapOne([route()], { value })), {
      kind: 'quarantine',
      route: undefined,
      reason: 'undecodable',
    });
  }
  t.like(verdict(await mapOne([route({ eventType: 'x', eventTypeFrom: '/t' })], { value: 'x' })), {
    reason: 'undecodable',
  });
});

test('a decoder that throws, rejects or loops through itself is quarantined', async (t) => {
  const circular: { self?: unknown } = {};
  circular.self = circular;
  const decoders: readonly (readonly [() => unknown, RegExp])[] = [
    [
      () => {
        throw new Error('bad\r\nluck');
      },
      /^The decoder failed: bad\\u000d\\u000aluck$/,
    ],
    [
      () => {
        throw 'text';
      },
      /^The decoder failed: text$/,
    ],
    [
      () => {
        throw Object.create(null);
      },
      /^The decoder failed: something that has no text$/,
    ],
    [() => Promise.reject(new Error('later')), /^The decoder failed: later$/],
    [() => circular, /at most 1000 levels/],
  ];
  for (const [decoder, message] of decoders) {
    const mapped = await mapOne([route({ decoder })], {});
    t.like(verdict(mapped), { reason: 'undecodable', route: undefined });
    t.regex(mapped.kind === 'quarantine' ? mapped.message : '', message);
  }
});

test('a systemic fault is thrown, never an outcome, also from a copy of this package', async (t) => {
  const copy = Object.assign(new Error('registry away'), {
    name: 'BridgeError',
    code: 'KTB_RECORD',
    retryable: true,
  });
  for (const error of [new BridgeError('KTB_RECORD', 'registry away', { retryable: true }), copy]) {
    const thrown = await t.throwsAsync(
      mapOne(
        [
          route({
            decoder: () => {
              throw error;
            },
          }),
        ],
        {},
      ),
      { instanceOf: BridgeError, message: 'registry away' },
    );
    t.true(thrown!.retryable);
  }
});

test('a filter that throws, is asynchronous or decides nothing rejects the record, with its route', async (t) => {
  const rejected = async (filter: unknown): Promise<unknown> =>
    verdict(await mapOne([route({ filter: filter as () => boolean })], { value: null }));
  const because = (message: string): unknown => ({
    kind: 'quarantine',
    route: 'orders',
    reason: 'rejected',
    message,
  });
  t.deepEqual(
    await rejected(() => {
      throw new Error('no');
    }),
    because("The route's filter failed: no"),
  );
  t.deepEqual(
    await rejected(async () => {
      throw new Error('unhandled');
    }),
    because("Expected the route's filter to give true or false, got a promise: it must be synchronous"),
  );
  t.deepEqual(
    await rejected(() => undefined),
    because("Expected the route's filter to give true or false, got undefined"),
  );
});

test('a key that could forge our IDs, or no key at all, is quarantined with its route', async (t) => {
  t.like(verdict(await mapOne([route()], { headers: { 'idempotency-key': 'ktb/capacity/x' } })), {
    route: 'orders',
    reason: 'invalid-key',
  });
  t.like(verdict(await mapOne([route({ key: '/id' })], { value: { id: {} } })), {
    route: 'orders',
    reason: 'invalid-key',
  });
  t.like(
    verdict(
      await mapOne(
        [
          route({
            key: () => {
              throw new Error('x');
            },
          }),
        ],
        {},
      ),
    ),
    { route: 'orders', reason: 'invalid-key' },
  );
});

test('odd keys, headers and values have their outcomes, and their neighbours pass', async (t) => {
  const mapper = mapperOf([route()]);
  const many = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`h${index}`, Buffer.alloc(100, index)]),
  );
  const outcomes = await Promise.all(
    [
      record({ key: null }),
      record({ key: Buffer.from([0xc3, 0x28]) }),
      record({ headers: many }),
      record({ headers: { ['__proto__']: 'x', constructor: 'y', ['']: 'z' } }),
      record({ value: { big: 'x'.repeat(1_000_000) } }),
      record({ value: 'poison' }),
      record({ value: null }),
      record({ value: '' }),
      record({ value: '{"__proto__":{"x":1}}' }),
    ].map((one) => mapper.map(one)),
  );
  t.deepEqual(
    outcomes.map((one) => one.kind),
    ['deliver', 'deliver', 'deliver', 'deliver', 'deliver', 'quarantine', 'deliver', 'quarantine', 'deliver'],
  );
  t.is(delivered(outcomes[1]!).info.key, '~hex:c328');
  t.is(JSON.parse(JSON.stringify(delivered(outcomes[3]!).info.headers))['constructor'], 'y');
});

test('messages are one line of at most 1,000 characters', async (t) => {
  const decoder = (): never => {
    throw new Error('\n'.repeat(10_000));
  };
  const mapped = await mapOne([route({ decoder })], {});
  const message = mapped.kind === 'quarantine' ? mapped.message : '';
  t.true(message.length <= 1_000);
  t.false(message.includes('\n'));
});
