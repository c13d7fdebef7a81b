import test from 'ava';
import { SlotPool } from '../../bridge/admission/slot-pool.js';
import type { Lease } from '../../workflows/capacity/contract.js';

function setup(caps: Record<string, number> = {}) {
  const clock = { now: 1_000 };
  const pool = new SlotPool({ bridge: 'b', caps: new Map(Object.entries(caps)), now: () => clock.now });
  let sequence = 0;
  /** Asks, and is answered at once. */
  const lend = (upTo: Record<string, number>, fields: Partial<Lease> = {}): boolean => {
    pool.request(++sequence, () => ({ count: 0, high: 0 }));
    return pool.granted(lease(sequence, upTo, fields), clock.now);
  };
  const take = (count = 1, high = false, classes: readonly string[] = []) => pool.take(classes, count, high);
  return {
    clock,
    pool,
    lend,
    take,
    ask: (count: number, high = 0) => pool.request(++sequence, () => ({ count, high })),
  };
}

function lease(sequence: number, upTo: Record<string, number>, fields: Partial<Lease> = {}): Lease {
  return {
    sequence,
    upTo,
    forMs: 5_000,
    limit: 100,
    inFlight: 0,
    circuit: 'closed',
    workers: 1,
    bridges: 1,
    heldBy: [],
    pressure: [],
    settings: { version: 0, limit: null, pauses: {} },
    ...fields,
  };
}

test('without a lease there is nothing; with one its numbers are handed out in order, and no more of them', (t) => {
  const { lend, take } = setup();
  t.is(take(), undefined);
  lend({ 'b.0': 3 });
  t.deepEqual(take(2), ['b.0:0', 'b.0:1']);
  t.is(take(2), undefined, 'one is left, and both are of one permit');
  t.deepEqual(take(), ['b.0:2']);
  t.is(take(), undefined);
  lend({ 'b.0': 4 });
  t.deepEqual(take(), ['b.0:3']);
});

test('a lease ends by the clock, counted from when it was asked for', (t) => {
  const { clock, pool, take } = setup();
  take(); // so that there is a stream
  pool.request(1, () => ({ count: 1, high: 0 }));
  const madeAt = clock.now;
  clock.now += 2_000; // the answer takes its time
  pool.granted(lease(1, { 'b.0': 10 }), madeAt);
  clock.now += 2_999;
  t.true(pool.leased);
  t.deepEqual(take(), ['b.0:0']);
  clock.now += 1;
  t.false(pool.leased);
  t.is(take(), undefined);
});

test('what was lent under a lease that has ended goes back with the next request', (t) => {
  const { clock, pool, lend, take, ask } = setup();
  take();
  lend({ 'b.0': 10 });
  take(4);
  clock.now += 6_000;
  t.like(ask(3)[0], { next: 4, upTo: 4 });
  pool.granted(lease(3, { 'b.0': 7 }), clock.now);
  t.deepEqual(take(3), ['b.0:4', 'b.0:5', 'b.0:6']);
});

test('it asks for what waits, and at least for ten; what it has counts', (t) => {
  const { pool, take, lend, ask } = setup();
  take();
  t.like(ask(1)[0], { next: 0, upTo: 0, demand: 10 });
  t.like(ask(25)[0], { demand: 25 });
  pool.granted(lease(2, { 'b.0': 5 }), 1_000);
  t.like(ask(25)[0], { upTo: 5, demand: 20 });
  t.like(ask(0)[0], { upTo: 0, demand: 0 }, 'nothing waits and nothing was used: it all goes back');
  lend({ 'b.0': 5 });
  t.like(ask(500)[0], { demand: 95 }, 'no more than the limit');
});

test('what was used of late is wanted again, and what is not wanted goes back', (t) => {
  const { clock, take, lend, ask } = setup();
  take();
  lend({ 'b.0': 50 });
  take(20);
  clock.now += 2_000;
  t.like(ask(0)[0], { next: 20, upTo: 40, demand: 0 }, 'ten a second, for two seconds');
  clock.now += 1_000;
  t.like(ask(0)[0], { next: 20, upTo: 30 });
  clock.now += 1_000;
  t.like(ask(0)[0], { upTo: 25 });
});

test('what goes back can not be taken any more, whatever becomes of the request', (t) => {
  const { take, lend, ask } = setup();
  take();
  lend({ 'b.0': 50 });
  ask(0);
  t.is(take(), undefined);
});

test('what has started nothing is told until an answer to that has come', (t) => {
  const { pool, take, lend, ask } = setup();
  take();
  lend({ 'b.0': 10 });
  const slots = take(5)!;
  pool.giveBack([slots[1]!, slots[2]!]);
  pool.giveBack([slots[2]!, 'b.0:9', 'other.0:1', 'nonsense']);
  t.is(ask(0)[0]!.returned, '1-2', 'and nothing that was never taken here');
  pool.giveBack([slots[4]!]);
  t.is(ask(0)[0]!.returned, '1-2,4');
  pool.granted(lease(2, { 'b.0': 5 }), 1_000);
  t.is(ask(0)[0]!.returned, '4', 'the answered one told of two');
  pool.granted(lease(3, { 'b.0': 5 }), 1_000);
  t.is(ask(0)[0]!.returned, '');
});

test('each combination of caps has a stream of its own, and a capped one asks for no more than its cap', (t) => {
  const { pool, take, ask } = setup({ 'route:s/a': 3 });
  take(1, false, ['route:s/a']);
  take(1, false, []);
  t.like(ask(50), {
    0: { id: 'b.0', classes: ['route:s/a'], demand: 3 },
    1: { id: 'b.1', classes: [], demand: 50 },
  });
  pool.granted(lease(1, { 'b.0': 3, 'b.1': 1 }), 1_000);
  t.deepEqual(take(1, false, ['route:s/a']), ['b.0:0']);
  t.deepEqual(take(), ['b.1:0']);
  t.is(take(), undefined, "another stream's numbers are no help");
});

test('once a record of high priority was seen the last tenth is kept for such, for a minute', (t) => {
  const { clock, pool, take, lend } = setup();
  take();
  lend({ 'b.0': 12 }, { limit: 100 });
  t.deepEqual(take(1, true), ['b.0:0']);
  t.is(take(2), undefined, 'eleven are left, and ten are kept');
  t.deepEqual(take(), ['b.0:1']);
  t.is(take(), undefined);
  t.deepEqual(take(10, true)?.length, 10);
  clock.now += 60_001;
  pool.request(9, () => ({ count: 1, high: 0 }));
  pool.granted(lease(9, { 'b.0': 13 }), clock.now);
  t.truthy(take());
});

test('of a share of one or less nothing is kept: it would keep everything else out', (t) => {
  const { take, lend } = setup();
  take(1, true);
  lend({ 'b.0': 1 }, { limit: 10, bridges: 10 });
  t.truthy(take());
  lend({ 'b.0': 3 }, { limit: 10, bridges: 5 });
  t.truthy(take());
  t.is(take(), undefined, 'of two one is kept');
});

test('with an open circuit only high priority passes, and only that is asked for', (t) => {
  const { pool, take, lend, ask } = setup();
  take();
  lend({ 'b.0': 20 }, { circuit: 'open' });
  t.is(take(), undefined);
  t.truthy(take(1, true));
  t.like(ask(50, 3)[0], { next: 1, upTo: 20, demand: 1, high: 1 });
  pool.granted(lease(2, { 'b.0': 20 }, { circuit: 'half-open' }), 1_000);
  t.truthy(take());
});

test('an answer that lends less than before is heard at once', (t) => {
  const { take, lend } = setup();
  take();
  t.true(lend({ 'b.0': 10 }));
  take(4);
  t.false(lend({ 'b.0': 5 }));
  t.deepEqual(take(), ['b.0:4']);
  t.is(take(), undefined);
  t.false(lend({}));
  t.is(take(), undefined);
});
