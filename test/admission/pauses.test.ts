import test from 'ava';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import { Pauses } from '../../bridge/admission/pauses.js';
import { RouteHolds } from '../../bridge/admission/route-holds.js';
import type { CapacitySettings } from '../../workflows/capacity/contract.js';

const PLACED = { topic: 'orders', routeId: 'placed' };

function setup() {
  const admission = new QueueAdmission(5);
  const holds = new RouteHolds({ quarantineLimit: undefined, foreignLimit: 20, idPrefix: '' });
  const routes = [
    { id: 'placed', topic: 'orders' },
    { id: 'paid', topic: /^pay/ },
  ];
  const pauses = new Pauses({ name: 'shop', routes, admission, holds });
  const apply = (...scopes: string[]) => {
    const decided = { value: true, who: 'ann', why: 'ticket 812', at: 7 } as const;
    const settings: CapacitySettings = {
      version: 1,
      limit: null,
      pauses: Object.fromEntries(scopes.map((scope) => [scope, decided])),
    };
    pauses.apply(settings);
  };
  return { admission, holds, pauses, apply };
}

test("the subscription's pause holds everything, until it is lifted", (t) => {
  const { admission, pauses, apply } = setup();
  apply('shop');
  t.deepEqual(admission.state().holds, ['paused']);
  t.deepEqual(pauses.paused, ['shop']);
  apply();
  t.deepEqual(admission.state().holds, []);
  t.deepEqual(pauses.paused, []);
});

test("a route's pause holds that route, and says who and why", (t) => {
  const { admission, holds, pauses, apply } = setup();
  apply('shop/placed');
  t.deepEqual(admission.state().holds, []);
  t.like(holds.holdOf(PLACED), {
    reason: 'operator',
    message: 'ann has paused route `placed`: ticket 812',
    since: 7,
  });
  t.is(holds.holdOf({ topic: 'payments', routeId: 'paid' }), undefined);
  t.deepEqual(pauses.paused, ['shop/placed']);
  apply('shop/paid');
  t.is(holds.holdOf(PLACED), undefined);
  t.is(holds.holdOf({ topic: 'payments', routeId: 'paid' })?.reason, 'operator');
});

test("another subscription's pauses, and those of routes that are gone, hold nothing", (t) => {
  const { admission, holds, pauses, apply } = setup();
  apply('other', 'other/placed', 'shop/gone', 'constructor');
  t.deepEqual(admission.state().holds, []);
  t.deepEqual(holds.all, []);
  t.deepEqual(pauses.paused, []);
});

test('what holds a route for another reason stays when nobody pauses it', (t) => {
  const { holds, apply } = setup();
  holds.hold({ scope: PLACED, reason: 'quarantineLimit', message: 'too many', since: 1 });
  apply('shop/placed');
  apply();
  t.is(holds.holdOf(PLACED)?.reason, 'quarantineLimit');
});
