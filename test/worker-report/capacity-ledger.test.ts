import test from 'ava';
import { CapacityLedger } from '../../bridge/worker-report/capacity-ledger.js';

const slot = (number: number, stream = 'bridge.0') => ({ stream, number });

test('released numbers are told until a report of them was taken', (t) => {
  const ledger = new CapacityLedger();
  ledger.released(slot(1));
  ledger.released(slot(2));
  ledger.released(slot(7, 'other.1'));
  t.is(ledger.pending, 3);
  t.deepEqual(ledger.take().released, { 'bridge.0': '1-2', 'other.1': '7' });
  t.is(ledger.pending, 0);
  ledger.released(slot(3));
  t.deepEqual(ledger.take().released, { 'bridge.0': '1-3', 'other.1': '7' }, 'the first was lost');
  ledger.released(slot(9));
  ledger.confirm();
  t.deepEqual(ledger.take().released, { 'bridge.0': '9' }, 'released while a report was under way');
  ledger.confirm();
  t.deepEqual(ledger.take().released, {});
});

test('a number that is released twice counts once', (t) => {
  const ledger = new CapacityLedger();
  ledger.released(slot(4));
  ledger.released(slot(4));
  t.is(ledger.pending, 1);
  t.deepEqual(ledger.take().released, { 'bridge.0': '4' });
});

test('what runs is told while it runs, a record with two activities too', (t) => {
  const ledger = new CapacityLedger();
  for (const one of [slot(1), slot(2), slot(2), undefined, undefined]) ledger.callBegan(one);
  t.is(ledger.calls, 5);
  t.like(ledger.take(), { running: { 'bridge.0': '1-2' }, others: 2 });
  for (const one of [slot(1), slot(2), undefined]) ledger.callEnded(one);
  t.like(ledger.take(), { running: { 'bridge.0': '2' }, others: 1 });
  for (const one of [slot(2), undefined]) ledger.callEnded(one);
  t.like(ledger.take(), { running: {}, others: 0 });
  t.is(ledger.calls, 0);
});

test('responses and waits are sums since the process began, in whole milliseconds', (t) => {
  const ledger = new CapacityLedger();
  ledger.responded(10.4);
  ledger.responded(-1);
  ledger.waited(-250.2); // the server's clock may be ahead
  ledger.take();
  ledger.confirm();
  ledger.responded(20);
  t.like(ledger.take(), { responses: { count: 3, sumMs: 30 }, waits: { count: 1, sumMs: -250 } });
});

test('a workflow whose activity has released its slot gives no response time at its end', (t) => {
  const ledger = new CapacityLedger();
  ledger.releasedEarly(slot(1));
  ledger.releasedByWorkflow(slot(1), 60_000);
  ledger.releasedByWorkflow(slot(2), 50);
  ledger.releasedByWorkflow(slot(3), null);
  t.like(ledger.take(), { responses: { count: 1, sumMs: 50 }, released: { 'bridge.0': '1-3' } });
});

test('each change that could matter is said', (t) => {
  const ledger = new CapacityLedger();
  let changes = 0;
  ledger.onChange = () => void changes++;
  ledger.callBegan(slot(1));
  ledger.callEnded(slot(1));
  ledger.released(slot(1));
  ledger.released(slot(1));
  t.is(changes, 3);
});
