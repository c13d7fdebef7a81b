import test from 'ava';
import { KeyPriorities } from '../../bridge/intake/key-priorities.js';

function setup() {
  const clock = { now: 0 };
  const priorities = new KeyPriorities(() => clock.now);
  return { priorities, clock };
}

test('a later record of a key gets no higher priority than an earlier one of the last minute', (t) => {
  const { priorities, clock } = setup();
  t.is(priorities.next('orders', 'a', 'low'), 'low');
  clock.now = 30_000;
  t.is(priorities.next('orders', 'a', 'high'), 'low');
  clock.now = 60_000;
  t.is(priorities.next('orders', 'a', 'high'), 'low', 'the second one was started as low, half a minute ago');
  clock.now = 120_001;
  t.is(priorities.next('orders', 'a', 'high'), 'high');
});

test('a lower one is as it is, and holds the next one down', (t) => {
  const { priorities } = setup();
  t.is(priorities.next('orders', 'a', 'high'), 'high');
  t.is(priorities.next('orders', 'a', 'medium'), 'medium');
  t.is(priorities.next('orders', 'a', 'low'), 'low');
  t.is(priorities.next('orders', 'a', 'high'), 'low');
});

test('other keys, other topics and records without a key are free', (t) => {
  const { priorities } = setup();
  priorities.next('orders', 'a', 'low');
  t.is(priorities.next('orders', 'b', 'high'), 'high');
  t.is(priorities.next('payments', 'a', 'high'), 'high');
  priorities.next('orders', undefined, 'low');
  t.is(priorities.next('orders', undefined, 'high'), 'high');
});

test('it remembers the keys that were used last, and no more than so many', (t) => {
  const { priorities, clock } = setup();
  for (let key = 0; key < 12_000; key++) {
    priorities.next('orders', `k${key}`, 'low');
    if (key === 5_000) priorities.next('orders', 'k0', 'low');
  }
  t.is(priorities.size, 10_000);
  t.is(priorities.next('orders', 'k0', 'high'), 'low', 'it was used again');
  t.is(priorities.next('orders', 'k1', 'high'), 'high', 'it is forgotten');
  clock.now = 60_001;
  priorities.next('orders', 'another', 'low');
  t.is(priorities.size, 1);
});
