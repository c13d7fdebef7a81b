import test from 'ava';
import { RouteHolds, type Hold, type HoldScope } from '../../bridge/admission/route-holds.js';
import { turn } from '../helpers/doubles/clock.js';

const PLACED: HoldScope = { topic: 'orders', routeId: 'placed' };
const PAID: HoldScope = { topic: 'orders', routeId: 'paid' };
const TOPIC: HoldScope = { topic: 'orders', routeId: undefined };

function setup(options: Partial<ConstructorParameters<typeof RouteHolds>[0]> = {}) {
  const held: Hold[] = [];
  const holds = new RouteHolds({
    quarantineLimit: { count: 50, share: 0.2, window: 500 },
    foreignLimit: 20,
    idPrefix: '',
    now: () => 7,
    onHold: (hold) => held.push(hold),
    ...options,
  });
  /** Asks for so many. @returns how many were let through */
  const quarantine = (count: number, scope = PLACED): number => {
    let let_ = 0;
    for (let index = 0; index < count; index++) if (holds.mayQuarantine(scope, 'rejected')) let_++;
    return let_;
  };
  const pass = (count: number, scope = PLACED): void => {
    for (let index = 0; index < count; index++) holds.passed(scope, 'started');
  };
  return { holds, held, quarantine, pass };
}

test('fifty may go, the 51st in a row waits and holds the route, loudly and once', (t) => {
  const { holds, held, quarantine } = setup();
  t.is(quarantine(50), 50);
  t.is(holds.holdOf(PLACED), undefined);
  t.false(holds.mayQuarantine(PLACED, 'invalid-key'));
  t.is(held.length, 1);
  t.like(holds.holdOf(PLACED), { reason: 'quarantineLimit', scope: PLACED, since: 7 });
  t.regex(
    held[0]!.message,
    /50 of the last 50 records of route `placed` went into quarantine \(last: invalid-key\)/,
  );
  t.regex(held[0]!.message, /`quarantineLimit`/);
  t.false(holds.mayQuarantine(PLACED, 'rejected'));
  t.is(held.length, 1);
  t.deepEqual(holds.all, held);
});

test('while no more than the share is bad, any number may go', (t) => {
  const { held, quarantine, pass } = setup();
  for (let round = 0; round < 200; round++) {
    pass(4);
    t.is(quarantine(1), 1, `round ${round}`);
  }
  t.is(held.length, 0);
});

test('exactly the share may be bad, and one more holds', (t) => {
  const { quarantine, pass } = setup();
  pass(400);
  t.is(quarantine(101), 100, '100 of 500 is 20 %, 101 is more');
});

test('both must be exceeded: a few bad ones hold nothing, be they all; nor do many that are a small share', (t) => {
  const { quarantine, pass } = setup({ quarantineLimit: { count: 2, share: 0.5, window: 100 } });
  t.is(quarantine(2), 2, 'all of two');
  pass(2);
  t.is(quarantine(1), 0, 'three of five are more than two, and more than half');
  const other = setup({ quarantineLimit: { count: 2, share: 0.5, window: 100 } });
  other.pass(3);
  t.is(other.quarantine(3), 3, 'three of six are more than two, but no more than half');
  t.is(other.quarantine(1), 0);
});

test('in a full window a bad one that takes the place of a bad one changes nothing', (t) => {
  const { held, quarantine, pass } = setup({ quarantineLimit: { count: 1, share: 0.2, window: 10 } });
  pass(10);
  for (let round = 0; round < 20; round++) {
    t.is(quarantine(2), 2, `round ${round}`);
    pass(8);
  }
  t.is(held.length, 0);
});

test('only the last so many count: what was bad long ago is forgotten', (t) => {
  const { held, quarantine, pass } = setup();
  for (let round = 0; round < 5; round++) {
    t.is(quarantine(50), 50);
    pass(500);
  }
  t.is(held.length, 0);
});

test('records without a route count against their topic, and its hold stops all of its routes', (t) => {
  const { holds, quarantine } = setup();
  t.is(quarantine(51, TOPIC), 50);
  t.is(holds.holdOf(TOPIC)?.reason, 'quarantineLimit');
  t.regex(holds.holdOf(TOPIC)!.message, /of topic `orders`/);
  t.is(holds.holdOf(PLACED), holds.holdOf(TOPIC));
  t.false(holds.mayQuarantine(PAID, 'rejected'));
  t.is(holds.holdOf({ topic: 'payments', routeId: 'placed' }), undefined);
});

test("a route's hold is its own on every topic of its pattern, and nobody else's", (t) => {
  const { holds, quarantine } = setup();
  quarantine(51);
  t.truthy(holds.holdOf({ topic: 'orders-eu', routeId: 'placed' }));
  t.is(holds.holdOf(PAID), undefined);
  t.is(holds.holdOf(TOPIC), undefined);
  t.true(holds.mayQuarantine(PAID, 'rejected'));
});

test('a decoded record counts for its topic as well: one undecodable in five is not all', (t) => {
  const { held, quarantine, pass } = setup();
  for (let round = 0; round < 100; round++) {
    pass(2, PLACED);
    pass(2, PAID);
    t.is(quarantine(1, TOPIC), 1);
  }
  t.is(held.length, 0);
});

test('without a limit nothing is held', (t) => {
  const { holds, quarantine } = setup({ quarantineLimit: undefined });
  t.is(quarantine(2000), 2000);
  t.deepEqual(holds.all, []);
});

test('exactly twenty foreign keys in a row go into quarantine; the twentieth holds the route and names the option', (t) => {
  const { holds, held } = setup({ idPrefix: 'mine:' });
  for (let index = 1; index <= 19; index++) t.true(holds.mayQuarantine(PLACED, 'foreign'));
  t.is(held.length, 0);
  t.true(holds.mayQuarantine(PLACED, 'foreign'));
  t.is(held.length, 1);
  t.is(held[0]!.reason, 'foreign');
  t.regex(held[0]!.message, /20 records in a row of route `placed`/);
  t.regex(held[0]!.message, /Set `idPrefix` \(now "mine:"\)/);
  for (let index = 0; index < 100; index++) t.false(holds.mayQuarantine(PLACED, 'foreign'));
  t.is(held.length, 1);
});

test('any record of the route that ends well begins the row anew, one of another route does not', (t) => {
  for (const outcome of ['started', 'duplicate', 'filtered', 'done'] as const) {
    const { holds, held } = setup();
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 19; index++) t.true(holds.mayQuarantine(PLACED, 'foreign'));
      holds.passed(PLACED, outcome);
    }
    t.is(held.length, 0, outcome);
  }
  const { holds, held } = setup();
  for (let index = 0; index < 20; index++) {
    holds.mayQuarantine(PLACED, 'foreign');
    holds.passed(PAID, 'started');
  }
  t.is(held.length, 1);
});

test('what goes into quarantine ends nobody well', (t) => {
  const { holds, held } = setup();
  for (let index = 0; index < 20; index++) {
    holds.mayQuarantine(PLACED, 'foreign');
    holds.passed(PLACED, 'foreign');
    holds.passed(PLACED, 'quarantined');
    holds.passed(PLACED, 'conflict');
  }
  t.is(held.length, 1);
});

test('lifted, a route begins with a clean slate', (t) => {
  const { holds, held, quarantine } = setup();
  quarantine(51);
  t.true(holds.lift(PLACED));
  t.false(holds.lift(PLACED));
  t.is(holds.holdOf(PLACED), undefined);
  t.is(quarantine(51), 50);
  t.is(held.length, 2);
});

test('who waits for a change is woken by a lift, and by its own signal', async (t) => {
  const { holds } = setup();
  const woken: string[] = [];
  const [one, other] = [new AbortController(), new AbortController()];
  void holds.changed(one.signal).then(() => woken.push('one'));
  void holds.changed(other.signal).then(() => woken.push('other'));
  await turn();
  t.deepEqual(woken, []);
  one.abort();
  await turn();
  t.deepEqual(woken, ['one']);
  holds.lift(PLACED);
  await turn();
  t.deepEqual(woken, ['one', 'other']);
  await holds.changed(one.signal); // at once
});

test('an operator holds by the same means, and the first reason stays', (t) => {
  const { holds, held, quarantine } = setup();
  holds.hold({ scope: PLACED, reason: 'operator', message: 'by hand', since: 1 });
  t.is(quarantine(60), 0);
  holds.hold({ scope: PLACED, reason: 'foreign', message: 'later', since: 2 });
  t.is(holds.holdOf(PLACED)?.message, 'by hand');
  t.is(held.length, 1);
});
