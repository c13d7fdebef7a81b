import test from 'ava';
import { createKeyReader } from '../../bridge/intake/idempotency-key.js';
import type { KeyResult } from '../../bridge/intake/idempotency-key.js';
import { recordInfo } from '../../bridge/record.js';
import { record } from './records.js';
import type { RecordFields } from './records.js';

type RouteKey = Parameters<typeof createKeyReader>[0]['key'];

function keyOf(key: RouteKey, event: unknown, fields: RecordFields = {}): KeyResult {
  const one = record(fields);
  return createKeyReader({ key })(one, event, recordInfo(one, undefined, undefined));
}
const header = (value: string | Buffer | readonly Buffer[]): KeyResult =>
  keyOf(undefined, {}, { headers: { 'idempotency-key': value } });
const textOfKey = (result: KeyResult): string | undefined =>
  result.kind === 'key' ? result.key.text : undefined;

test('the header is the key, verbatim', (t) => {
  t.deepEqual(header('order-1'), { kind: 'key', key: { source: 'header', text: 'order-1' } });
  t.is(textOfKey(header(' Größe/1 ')), ' Größe/1 ');
});

test('of a header given twice the last one counts', (t) => {
  t.is(textOfKey(header([Buffer.from('first'), Buffer.from('last')])), 'last');
});

test('keys of 256, 1,000 and 10,000 bytes are keys', (t) => {
  for (const length of [256, 1_000, 10_000]) t.is(textOfKey(header('k'.repeat(length))), 'k'.repeat(length));
});

test('bytes that are no clean text are keys in hex, and none of them meets another', (t) => {
  t.is(textOfKey(header(Buffer.from([0xff, 0xfe]))), '~hex:fffe');
  t.is(textOfKey(header('a\0b')), '~hex:610062');
  t.is(textOfKey(header('a\r\nb')), '~hex:610d0a62');
  t.not(textOfKey(header('~hex:fffe')), '~hex:fffe');
});

test('an empty header is a missing one', (t) => {
  t.deepEqual(header(''), { kind: 'missing' });
  t.deepEqual(header([Buffer.from('first'), Buffer.alloc(0)]), { kind: 'missing' });
  t.deepEqual(header([]), { kind: 'missing' });
});

test("without a header a CloudEvent's source and ID are the key, in both modes", (t) => {
  const expected = { kind: 'key', key: { source: 'cloudevent', text: '/orders#A1' } };
  const headers = { ce_source: '/orders', ce_id: 'A1' };
  t.deepEqual(keyOf(undefined, {}, { headers }), expected as KeyResult);
  t.deepEqual(
    keyOf(
      undefined,
      { source: '/orders', id: 'A1' },
      { headers: { 'content-type': 'application/cloudevents+json' } },
    ),
    expected as KeyResult,
  );
  t.is(textOfKey(keyOf(undefined, {}, { headers: { ...headers, 'idempotency-key': 'k' } })), 'k');
  t.deepEqual(keyOf(undefined, {}, { headers: { ce_source: '/orders', ce_id: '' } }), { kind: 'missing' });
  t.deepEqual(keyOf(undefined, { source: '/orders', id: 'A1' }), { kind: 'missing' });
});

test("the route's key is the only one where it has one", (t) => {
  const fields = { headers: { 'idempotency-key': 'header' } };
  t.deepEqual(keyOf('/orderId', { orderId: 'A1' }, fields), {
    kind: 'key',
    key: { source: 'route', text: 'A1' },
  });
  t.deepEqual(keyOf('/orderId', {}, fields), { kind: 'missing' });
  t.deepEqual(
    keyOf((event, info) => `${(event as { a: string }).a}/${info.topic}`, { a: 'x' }),
    { kind: 'key', key: { source: 'route', text: 'x/orders' } },
  );
});

test('a key may be a string or a number', (t) => {
  const at = (value: unknown): KeyResult => keyOf('/k', { k: value });
  t.is(textOfKey(at(7)), '7');
  t.is(textOfKey(at(1.5)), '1.5');
  t.is(textOfKey(at(0)), '0');
  for (const empty of ['', null, undefined]) t.deepEqual(at(empty), { kind: 'missing' });
  for (const wrong of [true, {}, [], NaN, Infinity, 2 ** 53, 1n, Symbol('x')])
    t.is(at(wrong).kind, 'invalid', typeof wrong);
});

test('a number that JSON has rounded is no key', (t) => {
  t.like(keyOf('/k', JSON.parse('{"k":9007199254740993}')), { kind: 'invalid' });
});

test('half of a surrogate pair is no key', (t) => {
  t.like(keyOf('/k', JSON.parse('{"k":"\\ud800"}')), { kind: 'invalid' });
});

test('a route key with control characters is in hex', (t) => {
  t.is(textOfKey(keyOf('/k', { k: 'a\nb' })), '~hex:610a62');
});

test("a key that begins with ktb/ is refused: it could forge the bridge's own IDs", (t) => {
  const results = [
    header('ktb/capacity/orders'),
    keyOf('/k', { k: 'ktb/x' }),
    keyOf(undefined, {}, { headers: { ce_source: 'ktb/x', ce_id: '1' } }),
  ];
  for (const result of results) {
    t.is(result.kind, 'invalid');
    t.regex(result.kind === 'invalid' ? result.message : '', /could forge one of the bridge's own IDs$/);
  }
  t.is(header('ktb').kind, 'key');
  t.is(header('KTB/x').kind, 'key');
});

test('a key function that throws or is asynchronous gives no key, and ends nothing', async (t) => {
  const message = (result: KeyResult): string => (result.kind === 'invalid' ? result.message : '');
  t.is(
    message(
      keyOf(() => {
        throw new Error('bad\nluck');
      }, {}),
    ),
    "The route's key function failed: bad\\u000aluck",
  );
  t.is(
    message(
      keyOf(() => {
        throw Object.create(null);
      }, {}),
    ),
    "The route's key function failed: something that has no text",
  );
  const asynchronous = (async () => {
    throw new Error('unhandled');
  }) as unknown as RouteKey;
  t.regex(message(keyOf(asynchronous, {})), /got a promise: it must be synchronous$/);
  await new Promise((resolve) => setImmediate(resolve));
});
