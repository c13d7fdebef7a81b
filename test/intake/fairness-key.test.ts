import test from 'ava';
import fc from 'fast-check';
import type { ActivityRoute } from '../../bridge/config/types.js';
import { delivered, mapperOf, record, route } from './records.js';
import type { RecordFields } from './records.js';

function setup(fields: Partial<ActivityRoute> = {}) {
  const said: string[] = [];
  const mapper = mapperOf([route(fields)], {}, undefined, (message) => said.push(message));
  const of = async (given: RecordFields) => delivered(await mapper.map(record(given))).fairnessKey;
  return { of, said };
}

test('the last header counts, and none is none', async (t) => {
  const { of, said } = setup();
  t.is(await of({ headers: { 'fairness-key': 'tenant-1' } }), 'tenant-1');
  t.is(await of({ headers: { 'fairness-key': [Buffer.from('a'), Buffer.from('b')] } }), 'b');
  t.is(await of({ headers: { 'fairness-key': '' } }), undefined);
  t.is(await of({}), undefined);
  t.is(await of({ headers: { 'fairness-key': Buffer.from([0xff]) } }), '~hex:ff');
  t.deepEqual(said, []);
});

test("the route's pointer or function counts alone", async (t) => {
  const byPointer = setup({ fairnessKey: '/tenant' });
  const headers = { 'fairness-key': 'header' };
  t.is(await byPointer.of({ value: { tenant: 'a' }, headers }), 'a');
  t.is(await byPointer.of({ value: { tenant: 7 }, headers }), '7');
  t.is(await byPointer.of({ value: {}, headers }), undefined);
  t.is(await byPointer.of({ value: { tenant: null }, headers }), undefined);
  const byFunction = setup({ fairnessKey: (event: { a: string }, { topic }) => `${topic}.${event.a}` });
  t.is(await byFunction.of({ value: { a: 'x' } }), 'orders.x');
});

test('what is no key is ignored, and said once: the record goes its way', async (t) => {
  const { of, said } = setup({ fairnessKey: '/tenant' });
  for (const tenant of [{}, [], true]) t.is(await of({ value: { tenant } }), undefined);
  t.deepEqual(said, [
    'route `orders`: Expected the event to have at "/tenant" a string or a number, got an object; such records have no fairness key (said once)',
  ]);
  const throwing = setup({
    fairnessKey: () => {
      throw new Error('no\ntenant');
    },
  });
  t.is(await throwing.of({}), undefined);
  t.regex(throwing.said[0]!, /function failed: no\\u000atenant; such records/);
  const promised = setup({ fairnessKey: (() => Promise.reject(new Error('late'))) as never });
  t.is(await promised.of({}), undefined);
  t.regex(promised.said[0]!, /got a promise: it must be synchronous/);
});

test('it has at most 64 bytes, whole characters, and different keys stay different', async (t) => {
  const { of } = setup();
  const keyOf = (text: string) => of({ headers: { 'fairness-key': text } });
  t.is(await keyOf('x'.repeat(64)), 'x'.repeat(64));
  t.not(await keyOf('x'.repeat(65)), await keyOf('x'.repeat(66)));
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' }), async (text) => {
      const key = await keyOf(text);
      if (key === undefined) throw new Error('none');
      if (Buffer.byteLength(key) > 64) throw new Error(`${Buffer.byteLength(key)} bytes`);
      if (key.includes('\ufffd') && !text.includes('\ufffd')) throw new Error('half a character');
    }),
    { numRuns: 300 },
  );
});
