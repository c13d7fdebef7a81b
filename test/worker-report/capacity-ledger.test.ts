import test from 'ava';
import { isReport } from '../../workflows/capacity/checks.js';
import { NumberSet } from '../../workflows/capacity/numbers.js';
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

test('no report tells more than the capacity workflow takes, and nothing of it is lost', (t) => {
  const ledger = new CapacityLedger();
  const seen = new NumberSet();
  // Every other one, of streams that are many, after an outage that was long.
  for (let stream = 0; stream < 250; stream++) ledger.released(slot(1, `other.${stream}`));
  for (let number = 0; number < 4_000; number += 2) ledger.released(slot(900_000_000_000 + number));
  const streams = new Set<string>();
  for (let reports = 0; ledger.pending > 0; reports++) {
    t.true(reports < 10);
    const { released } = ledger.take();
    const report = {
      ...ledger.take(),
      worker: 'w1',
      identity: '1@host',
      sequence: reports,
      sentAt: 0,
      slots: { total: 1, free: 1 },
      pressure: [],
    };
    t.true(isReport(report, 0));
    seen.addAll(NumberSet.from(released['bridge.0'] ?? ''));
    for (const stream of Object.keys(released)) streams.add(stream);
    ledger.confirm();
  }
  t.is(seen.size, 2_000);
  t.is(streams.size, 251);
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
