import test from 'ava';
import fc from 'fast-check';
import {
  commitMetadata,
  reachIn,
  subscriptionIn,
  subscriptionMarkIn,
} from '../../bridge/intake/subscription.js';

test('the name stands in the metadata of a commit, in a form that stays', (t) => {
  t.is(commitMetadata({ name: 'orders' }), '{"ktb":1,"name":"orders"}');
  t.is(subscriptionIn('{"ktb":1,"name":"orders"}'), 'orders');
});

test('what later versions add does not hide the name', (t) => {
  t.is(subscriptionIn('{"ktb":2,"name":"orders","chain":"x"}'), 'orders');
});

test('prefix, namespace and fingerprint stand beside the name, and come back', (t) => {
  const mark = { name: 'orders', idPrefix: 'o:', namespace: 'default', fingerprint: '0123456789abcdef' };
  t.is(
    commitMetadata(mark),
    '{"ktb":1,"name":"orders","idPrefix":"o:","namespace":"default","fingerprint":"0123456789abcdef"}',
  );
  t.deepEqual(subscriptionMarkIn(commitMetadata(mark)), mark);
});

test('where routes conflate it says how far starts may reach', (t) => {
  const metadata = commitMetadata({ name: 'orders' }, 9_007_199_254_740_993n);
  t.is(metadata, '{"ktb":1,"name":"orders","reach":"9007199254740993"}');
  t.is(reachIn(metadata), 9_007_199_254_740_993n);
  t.deepEqual(subscriptionMarkIn(metadata), { name: 'orders' });
});

test('a reach that is none says nothing', (t) => {
  const texts = [
    '',
    'null',
    '7',
    '[]',
    '{"ktb":1,"name":"orders"}',
    '{"reach":7}',
    '{"reach":"-1"}',
    '{"reach":"1e3"}',
  ];
  for (const metadata of texts) t.is(reachIn(metadata), undefined, metadata);
});

test('a commit of an older version names its subscription, and says no more', (t) => {
  t.deepEqual(subscriptionMarkIn('{"ktb":1,"name":"orders"}'), { name: 'orders' });
});

test('what is not a text in it is left out, and hides nothing else', (t) => {
  t.deepEqual(
    subscriptionMarkIn('{"ktb":1,"name":"orders","idPrefix":7,"namespace":null,"fingerprint":{}}'),
    {
      name: 'orders',
    },
  );
});

test("what somebody else has committed names nobody: a new group, an operator's reset, another client's metadata", (t) => {
  for (const metadata of [
    '',
    'hello',
    'null',
    '7',
    '[]',
    '{}',
    '{"ktb":1}',
    '{"name":"orders"}',
    '{"ktb":1,"name":7}',
    '{"ktb":1,',
  ]) {
    t.is(subscriptionIn(metadata), undefined, metadata);
  }
});

test('every name comes back, and no text throws', (t) => {
  fc.assert(fc.property(fc.string(), (name) => subscriptionIn(commitMetadata({ name })) === name));
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void subscriptionIn(text)));
  t.pass();
});
