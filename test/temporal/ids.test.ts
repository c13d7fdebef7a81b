/** Freezes the IDs: they are the dedupe entries of everybody's data. If a test fails here, mend the code, not the test. */
import test from 'ava';
import fc from 'fast-check';
import type { RecordKey } from '../../bridge/intake/mapped-record.js';
import type { Coordinates } from '../../bridge/record.js';
import {
  boundedId,
  coordinatesText,
  keyHash,
  MAX_ID_BYTES,
  OWN_PREFIX,
  parseRequestId,
  probeWorkflowId,
  publishedKey,
  quarantineWorkflowId,
  recordWorkflowId,
  startRequestId,
} from '../../bridge/temporal/ids.js';

const AT: Coordinates = { topic: 'orders', partition: 3, offset: 42n, timestampMs: 1_700_000_000_000 };
const SCOPE = { name: 'shop', idPrefix: '' };
const PREFIXED = { name: 'shop', idPrefix: 'shop:' };
const key = (source: 'header' | 'route' | 'cloudevent', text: string): RecordKey => ({ source, text });
const NO_KEY: RecordKey = { source: 'coordinates', text: undefined };

test("a header's key is the workflow ID, verbatim", (t) => {
  t.is(recordWorkflowId(SCOPE, 'placed', key('header', 'order-17'), AT), 'order-17');
  t.is(recordWorkflowId(SCOPE, 'placed', key('header', '~hex:ff00'), AT), '~hex:ff00');
  t.is(recordWorkflowId(SCOPE, 'placed', key('header', ' a/b ü '), AT), ' a/b ü ');
  t.is(recordWorkflowId(PREFIXED, 'placed', key('header', 'order-17'), AT), 'shop:order-17');
});

test('keys of the other sources stand under their route', (t) => {
  t.is(recordWorkflowId(SCOPE, 'orders:order.placed', key('route', '17'), AT), 'orders:order.placed/17');
  t.is(recordWorkflowId(SCOPE, 'placed', key('cloudevent', '/shop 8f1c'), AT), 'placed//shop 8f1c');
  t.is(recordWorkflowId(PREFIXED, 'placed', key('route', '17'), AT), 'shop:placed/17');
  t.is(recordWorkflowId(PREFIXED, 'placed', key('cloudevent', 'x'), AT), 'shop:placed/x');
});

test('without a key the coordinates stand in, with the timestamp and without the prefix', (t) => {
  const id = 'ktb/shop/record/orders/3/42@1700000000000';
  t.is(recordWorkflowId(SCOPE, 'placed', NO_KEY, AT), id);
  t.is(recordWorkflowId(PREFIXED, 'another', NO_KEY, AT), id);
  t.is(
    recordWorkflowId(SCOPE, 'placed', NO_KEY, { ...AT, offset: 9_223_372_036_854_775_807n, timestampMs: -1 }),
    'ktb/shop/record/orders/3/9223372036854775807@-1',
  );
});

test('a quarantine is named by the coordinates', (t) => {
  t.is(quarantineWorkflowId(SCOPE, AT), 'ktb/shop/quarantine/orders/3/42@1700000000000');
  t.is(coordinatesText(AT), 'orders/3/42@1700000000000');
  t.is(OWN_PREFIX, 'ktb/');
});

test('an ID of 255 bytes stays, and one of 256 ends in its hash', (t) => {
  t.is(MAX_ID_BYTES, 255);
  const longest = 'a'.repeat(255);
  t.is(recordWorkflowId(SCOPE, 'r', key('header', longest), AT), longest);
  t.is(
    recordWorkflowId(SCOPE, 'r', key('header', 'a'.repeat(256)), AT),
    `${'a'.repeat(180)}~02d7160d77e18c6447be80c2e355c7ed4388545271702c50253b0914c65ce5fe`,
  );
  t.is(
    recordWorkflowId(SCOPE, 'r', key('header', 'k'.repeat(10_000)), AT),
    `${'k'.repeat(180)}~c486f63fc16dcad39ce5d0e2503bdbd9842e27bbb132abb1de2d55aa87920036`,
  );
  // What counts is the whole ID in bytes: prefix and route included.
  t.is(
    recordWorkflowId(PREFIXED, 'placed', key('route', 'b'.repeat(255)), AT),
    `shop:placed/${'b'.repeat(168)}~0bd707d65f7b21dc56456ccc3ce5a58f1d48d18ca1b9ffa1ef60251f57022abc`,
  );
});

test('the cut never falls into a character', (t) => {
  // 179 bytes and a character of two: it would be cut in its middle.
  t.is(
    boundedId(`${'a'.repeat(179)}${'ä'.repeat(60)}`),
    `${'a'.repeat(179)}~5bb517a3befd7a8fdb06613532e2925952274a2d2dac19a1418ac710ca76f5a7`,
  );
  t.is(
    boundedId(`${'a'.repeat(178)}${'ä'.repeat(60)}`),
    `${'a'.repeat(178)}ä~aef140c04d7af07483ac1462b3e5d15ef504473063a5d4be7ac7d0d559159012`,
  );
  t.is(
    boundedId(`${'a'.repeat(177)}${'😀'.repeat(60)}`),
    `${'a'.repeat(177)}~e6396d94e1bfad03880077c13edb3382b97c1a043c4d90602ac35a4cc6b06aec`,
  );
  t.is(
    boundedId(`${'a'.repeat(176)}${'😀'.repeat(60)}`),
    `${'a'.repeat(176)}😀~acce2fd9d091e0e0cf15a1c477bb9fccac4a1b5af83c706d29b30113c91b1eaa`,
  );
  t.is(
    boundedId('€'.repeat(86)),
    `${'€'.repeat(60)}~f843d729140a5ebdab0d50326f31fb0804b828b0807e5f0f60b7e0ff90ae47f8`,
  );
  // 127 characters of two bytes and one: 255.
  const fits = `${'ä'.repeat(127)}a`;
  t.is(boundedId(fits), fits);
});

test('request IDs: value, coordinates, subscription and route, hashed', (t) => {
  t.is(
    startRequestId('shop', 'placed', AT, Buffer.from('{"id":1}')),
    'v1:4a3fd70a864ff8a09d9334e61dd28a82:72b64affb45fe848:8d9001d32c6a703d:f41690bb3447338e',
  );
  t.is(
    startRequestId('shop', 'placed', AT, null),
    'v1:74234e98afe7498fb5daf1f36ac2d78a:72b64affb45fe848:8d9001d32c6a703d:f41690bb3447338e',
  );
  t.is(
    startRequestId('shop', 'placed', AT, Buffer.alloc(0)),
    'v1:03a5afeabc5c885c32e5cc057dfaa6c0:72b64affb45fe848:8d9001d32c6a703d:f41690bb3447338e',
  );
  t.is(
    startRequestId('shop', '', AT, Buffer.from([0xff, 0x00])),
    'v1:d0df901a94b51dcef33f867dbcd23ff9:72b64affb45fe848:8d9001d32c6a703d:e3b0c44298fc1c14',
  );
});

test('each part of a request ID hangs on its own input, and on nothing else', (t) => {
  const value = Buffer.from('v');
  const parts = parseRequestId(startRequestId('shop', 'placed', AT, value))!;
  const with_ = (name: string, route: string, at: Coordinates, bytes: Buffer | null) =>
    parseRequestId(startRequestId(name, route, at, bytes))!;
  t.like(with_('shop', 'placed', AT, Buffer.from('w')), {
    ...parts,
    value: with_('a', 'b', AT, Buffer.from('w')).value,
  });
  t.not(with_('shop', 'placed', AT, Buffer.from('w')).value, parts.value);
  for (const at of [
    { ...AT, topic: 'o' },
    { ...AT, partition: 4 },
    { ...AT, offset: 43n },
    { ...AT, timestampMs: 1 },
  ]) {
    const other = with_('shop', 'placed', at, value);
    t.not(other.coordinates, parts.coordinates);
    t.deepEqual({ ...other, coordinates: '' }, { ...parts, coordinates: '' });
  }
  const named = with_('shop2', 'placed', AT, value);
  t.not(named.name, parts.name);
  t.deepEqual({ ...named, name: '' }, { ...parts, name: '' });
  const routed = with_('shop', 'placed2', AT, value);
  t.not(routed.route, parts.route);
  t.deepEqual({ ...routed, route: '' }, { ...parts, route: '' });
});

test('a tombstone and an empty value differ, and so does a value that spells null', (t) => {
  const valueOf = (bytes: Buffer | null) => parseRequestId(startRequestId('s', 'r', AT, bytes))!.value;
  const values = [
    null,
    Buffer.alloc(0),
    Buffer.from('null'),
    Buffer.from('value:'),
    Buffer.from('value:null'),
  ].map(valueOf);
  t.is(new Set(values).size, values.length);
});

test("what is not of our form has no parts: the user's own start, a Reset's, another version", (t) => {
  const ours = startRequestId('s', 'r', AT, null);
  t.truthy(parseRequestId(ours));
  for (const foreign of [
    '',
    'v1:',
    '6f1de2c4-6c39-4a50-8f4c-0c7b2b6de1b3',
    ours.replace('v1', 'v2'),
    ours.toUpperCase(),
    ` ${ours}`,
    `${ours}\n`,
    `${ours}0`,
    ours.slice(0, -1),
    ours.replaceAll(':', '-'),
    `${ours}:0000000000000000`,
  ]) {
    t.is(parseRequestId(foreign), undefined, foreign);
  }
});

test("the key's hash for the search attribute is 128 bits of its SHA-256", (t) => {
  t.is(keyHash('order-17'), '72a90ea3da8b5dd01bde2f27314e02e2');
});

// Text of any script, long and short; halves of surrogate pairs never reach an ID (test/intake/idempotency-key.test.ts).
const texts = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 400 }),
  fc.string({ unit: 'binary', maxLength: 400 }).filter((text) => !/\p{Surrogate}/u.test(text)),
  fc.string({ unit: 'grapheme-ascii', minLength: 250, maxLength: 260 }),
);
const coordinates: fc.Arbitrary<Coordinates> = fc.record({
  topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,249}$/),
  partition: fc.nat(),
  offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  timestampMs: fc.integer({ min: -1 }),
});

test('no ID is longer than 255 bytes, whatever it is made of', (t) => {
  const sources = fc.constantFrom('header', 'route', 'cloudevent', 'coordinates');
  fc.assert(
    fc.property(texts, texts, texts, sources, coordinates, (prefix, route, text, source, at) => {
      const recordKey: RecordKey = source === 'coordinates' ? NO_KEY : key(source, text);
      const scope = { name: 'n'.repeat(64), idPrefix: prefix };
      for (const id of [
        recordWorkflowId(scope, route, recordKey, at),
        quarantineWorkflowId(scope, at),
        boundedId(text),
      ]) {
        const bytes = Buffer.byteLength(id);
        if (bytes > 255) throw new Error(`${bytes} bytes: ${id}`);
        if (id.includes('\ufffd') && ![prefix, route, text].some((one) => one.includes('\ufffd')))
          throw new Error(`cut inside of a character: ${id}`);
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('different inputs have different IDs, also where only their ends differ', (t) => {
  const heads = fc.string({ unit: 'grapheme', minLength: 200, maxLength: 300 });
  fc.assert(
    fc.property(heads, texts, texts, (head, one, other) => {
      fc.pre(one !== other);
      return boundedId(head + one) !== boundedId(head + other) && boundedId(one) !== boundedId(other);
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('request IDs parse back, have one length, and fit', (t) => {
  const values = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
  fc.assert(
    fc.property(texts, texts, coordinates, values, (name, route, at, bytes) => {
      const id = startRequestId(name, route, at, bytes === null ? null : Buffer.from(bytes));
      const parts = parseRequestId(id);
      return (
        id.length === 86 &&
        parts !== undefined &&
        id === `v1:${parts.value}:${parts.coordinates}:${parts.name}:${parts.route}`
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test("the doctor's probe stands among our own IDs, so that no key can be one", (t) => {
  t.is(probeWorkflowId(SCOPE, '00ff'), 'ktb/shop/probe/00ff');
});

test("a published event's key is made of what is handled and its name, each part escaped", (t) => {
  const keys: readonly (readonly [readonly string[], string])[] = [
    [
      ['record', 'shop', 'orders:order.placed', 'A-17', 'reserved'],
      'record/shop/orders:order.placed/A-17/reserved',
    ],
    [['record', 'shop', 'placed', 'A-17', '2', 'reserved'], 'record/shop/placed/A-17/2/reserved'],
    [['record', 'shop', 'placed', 'A-17', ''], 'record/shop/placed/A-17/'],
    [['record', 'shop', 'placed', 'a/b%\n', 'ü'], 'record/shop/placed/a%2fb%25%0a/ü'],
    [
      ['place', 'shop', 'placed', 'orders', '3', '42@1700000000000', 'x'],
      'place/shop/placed/orders/3/42@1700000000000/x',
    ],
    [['run', 'nightly', '0198-run', 'done'], 'run/nightly/0198-run/done'],
    [['run', 'half\ud800', '0198-run', 'done'], 'run/half%d800/0198-run/done'],
  ];
  for (const [identity, key] of keys) t.is(publishedKey(identity), key);
});

test('no two identities have one key, and a key fits any ID and goes through a header as it is', (t) => {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.string({
      unit: fc.constantFrom('/', '%', '2', 'f', 'd', '8', '0', '\n', '\u0085', '\ud800', '\udc00', 'ü'),
    }),
    fc.string({ minLength: 100, maxLength: 400 }),
  );
  const identity = fc.array(part, { minLength: 4, maxLength: 7 });
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      const key = publishedKey(one);
      t.is(key, publishedKey([...one]));
      t.is(key === publishedKey(other), JSON.stringify(one) === JSON.stringify(other));
      t.true(Buffer.byteLength(key) <= MAX_ID_BYTES);
      t.is(Buffer.from(key).toString(), key);
      // oxlint-disable-next-line no-control-regex -- a header would change them
      t.notRegex(key, /[\u0000-\u001f\u007f-\u009f]/);
    }),
    { numRuns: 2_000 },
  );
});

test('where one part ends and the next begins is seen in the key, whatever stands in them', (t) => {
  const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', '/', '%', '2', 'f'), maxLength: 3 }), {
    minLength: 5,
    maxLength: 8,
  });
  const between = fc.constantFrom('/', '%2f', '%252f', '');
  /** As many parts, cut elsewhere. */
  const cut = (list: readonly string[], at: number, glue: string) => [
    ...list.slice(0, at),
    `${list[at]}${glue}${list[at + 1]}`,
    ...list.slice(at + 2),
  ];
  fc.assert(
    fc.property(pieces, fc.nat(3), fc.nat(3), between, (list, at, otherAt, glue) => {
      const [one, other] = [cut(list, at, glue), cut(list, otherAt, glue)];
      t.is(publishedKey(one) === publishedKey(other), JSON.stringify(one) === JSON.stringify(other));
    }),
    { numRuns: 2_000 },
  );
});
