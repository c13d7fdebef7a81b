import test from 'ava';
import { meaningOfTakenId, OUTCOMES } from '../../bridge/delivery/outcomes.js';
import { startRequestId } from '../../bridge/temporal/ids.js';

const AT = { topic: 'orders', partition: 0, offset: 1n, timestampMs: 5 };
const value = Buffer.from('v');
const own = startRequestId('orders', 'placed', AT, value);

test('the same value under the same subscription and route is a duplicate, wherever it stood', (t) => {
  t.is(meaningOfTakenId(own, own), 'duplicate');
  for (const at of [
    { ...AT, offset: 2n },
    { ...AT, topic: 'orders-eu' },
    { ...AT, timestampMs: 6 },
  ]) {
    t.is(meaningOfTakenId(own, startRequestId('orders', 'placed', at, value)), 'duplicate');
  }
});

test('another value is a conflict; a tombstone and an empty value are other values', (t) => {
  for (const other of [Buffer.from('w'), Buffer.alloc(0), null]) {
    t.is(meaningOfTakenId(own, startRequestId('orders', 'placed', AT, other)), 'conflict');
  }
});

test('another subscription or route is foreign, whatever the value', (t) => {
  for (const bytes of [value, Buffer.from('w')]) {
    t.is(meaningOfTakenId(own, startRequestId('invoices', 'placed', AT, bytes)), 'foreign');
    t.is(meaningOfTakenId(own, startRequestId('orders', 'paid', AT, bytes)), 'foreign');
  }
});

test('what is not of our form says nothing', (t) => {
  for (const holder of [undefined, '', '6f1de2c4-6c39-4a50-8f4c-0c7b2b6de1b3', 'v2:x']) {
    t.is(meaningOfTakenId(own, holder), 'unknown');
  }
  t.is(meaningOfTakenId('not ours', own), 'unknown');
});

test('every outcome is counted once', (t) => {
  t.is(new Set(OUTCOMES).size, 9);
  t.is(OUTCOMES.length, 9);
});
