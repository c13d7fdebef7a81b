import test from 'ava';
import { headersOf } from '../../bridge/producer/headers.js';
import { decodeBody, encodeBody } from '../../bridge/producer/record-body.js';

const fresh = (freshAtMs = 1_700_000_000_000): Record<string, string> => {
  const own = [['own', Buffer.from('x')]] as const;
  const { key, value, headers } = decodeBody(
    encodeBody({ key: 'k', value: 'wärt', headers: own, freshAtMs }),
  );
  return Object.fromEntries([
    ['key', String(key)],
    ['value', String(value)],
    ...headers.map(([name, bytes]) => [name, String(bytes)]),
  ]);
};

test('headers written as bytes are those that a record gets one by one', (t) => {
  const { key, value, own, ...ours } = fresh();
  t.deepEqual([key, value, own], ['k', 'wärt', 'x']);
  const facts = { timestampMs: 1_700_000_000_000, eventType: undefined };
  const others = headersOf({}, facts, undefined);
  t.deepEqual(
    Object.keys(ours),
    others.map(([name]) => name),
  );
  t.regex(ours['idempotency-key']!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.regex(ours['traceparent']!, new RegExp(`^00-${ours['trace-id']}-[0-9a-f]{16}-01$`));
  t.regex(ours['trace-id']!, /^[0-9a-f]{32}$/);
  t.is(ours['timestamp'], '1700000000000');
});

test('no two of many thousands are alike, whatever the time', (t) => {
  const drawn = new Set<string>();
  for (const at of [0, 7, 1_700_000_000_000, Number.MAX_SAFE_INTEGER]) {
    for (let index = 0; index < 5_000; index++) {
      const one = fresh(at);
      drawn.add(one['idempotency-key']!).add(one['traceparent']!);
      t.is(one['timestamp'], String(at));
    }
  }
  t.is(drawn.size, 40_000);
});
