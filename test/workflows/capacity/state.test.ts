import test from 'ava';
import type { Lease, LeaseRequest, StreamState, WorkerReport } from '../../../workflows/capacity/contract.js';
import { fairShares } from '../../../workflows/capacity/shares.js';
import { CapacityState } from '../../../workflows/capacity/state.js';
import { OPTIONS as SMALL } from './simulation.js';

const START = 1_790_000_000_000;
const OPTIONS = { ...SMALL, initial: 100, minimum: 10, maximum: 200, slotLeaseMs: 60_000 };

/** A state, a clock, and who speaks to it: each request and report has the next sequence. */
class Scene {
  state = CapacityState.fresh('orders');
  now = START;
  #sequences = new Map<string, number>();

  lease(bridge: string, stream: Partial<StreamState>, more: Partial<LeaseRequest> = {}): Lease {
    const told = { id: `${bridge}.0`, classes: [], next: 0, upTo: 0, demand: 0, high: 0, returned: '' };
    return this.state.lease(
      {
        bridge,
        identity: bridge,
        name: 'orders',
        sequence: this.#next(bridge),
        streams: [{ ...told, ...stream }],
        caps: {},
        options: OPTIONS,
        backlog: { count: 0, polled: true },
        settings: null,
        ...more,
      },
      this.now,
    );
  }

  report(more: Partial<WorkerReport> = {}, worker = 'worker01'): void {
    this.state.report(
      {
        worker,
        identity: worker,
        sequence: this.#next(worker),
        sentAt: this.now,
        responses: { count: 0, sumMs: 0 },
        waits: { count: 0, sumMs: 0 },
        released: {},
        running: {},
        others: 0,
        slots: { total: 100, free: 100 },
        pressure: [],
        ...more,
      },
      this.now,
    );
  }

  get view() {
    return this.state.view(this.now);
  }

  /** In steps of a second, as messages come; each calls `each`. */
  pass(seconds: number, each: () => void): void {
    for (let second = 0; second < seconds; second++) {
      this.now += 1_000;
      each();
    }
  }

  #next(who: string): number {
    this.#sequences.set(who, (this.#sequences.get(who) ?? 0) + 1);
    return this.#sequences.get(who)!;
  }
}

function working(): Scene {
  const scene = new Scene();
  scene.report();
  return scene;
}

test('without any worker the minimum is lent, and the answer says why no more', (t) => {
  const lease = new Scene().lease('bridge01', { demand: 50 });
  t.deepEqual(lease.upTo, { 'bridge01.0': 10 });
  t.is(lease.heldBy[0], 'No worker reports: at most 10 until one does.');
});

test('two bridges share the limit, and what one does not want is for the other', (t) => {
  const scene = working();
  t.is(scene.lease('bridge01', { demand: 20 }).upTo['bridge01.0'], 20);
  t.is(scene.lease('bridge02', { demand: 500 }).upTo['bridge02.0'], 80);
  t.deepEqual(fairShares(10, [2, 20, 20]), [2, 4, 4]);
  t.deepEqual(fairShares(1, [5, 5]), [1, 0]);
});

test('with fewer slots than bridges each has its turn', (t) => {
  const scene = working();
  const options = { ...OPTIONS, limit: 'fixed' as const, initial: 1, minimum: 1 };
  const got: string[] = [];
  const next: Record<string, number> = { bridge01: 0, bridge02: 0 };
  for (let round = 0; round < 8; round++) {
    for (const bridge of ['bridge01', 'bridge02']) {
      const at = next[bridge]!;
      const { upTo } = scene.lease(bridge, { next: at, upTo: at, demand: 9 }, { options });
      if (upTo[`${bridge}.0`]! <= at) continue;
      got.push(bridge);
      next[bridge] = at + 1;
      scene.report({ released: { [`${bridge}.0`]: `${at}` } });
    }
  }
  t.true(got.filter((one) => one === 'bridge01').length >= 4);
  t.true(got.filter((one) => one === 'bridge02').length >= 4);
});

test('a number that comes back twice, or by an old report, comes back once', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 100 });
  const old = { sequence: 0, released: { 'bridge01.0': '3-5' } };
  scene.report({ released: { 'bridge01.0': '0-3' } });
  scene.report(old);
  scene.report(old);
  t.is(scene.view.inFlight, 94);
});

test('what a bridge says that it will not use is for others at once', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 100 });
  scene.lease('bridge01', { next: 30, upTo: 40 });
  t.is(scene.view.inFlight, 40);
  scene.lease('bridge01', { next: 40, upTo: 40, returned: '38-39,70' });
  t.is(scene.view.inFlight, 38);
  scene.lease('bridge01', { next: 40, upTo: 40 }, { ends: true });
  t.is(scene.view.inFlight, 38);
  t.false(scene.view.bridges[0]!.leases);
});

test('a dead bridge keeps what workers have in hand, and the rest comes back within twenty seconds', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 100 });
  scene.report({ running: { 'bridge01.0': '0-4' } });
  scene.pass(9, () => {
    scene.lease('bridge02', {});
    scene.report({ running: { 'bridge01.0': '0-4' } });
    t.is(scene.view.inFlight, 100);
  });
  scene.pass(11, () => {
    scene.lease('bridge02', {});
    scene.report({ running: { 'bridge01.0': '0-4' } });
  });
  t.is(scene.view.inFlight, 5);
});

test('a dead bridge keeps everything while tasks wait', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 100 });
  scene.pass(60, () => {
    scene.lease('bridge02', {}, { backlog: { count: 3, polled: true } });
    scene.report();
  });
  t.is(scene.view.inFlight, 100);
});

test('the slot of a record that nobody has in hand comes back after its lease, not before', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 10 });
  const round = () => {
    scene.lease('bridge01', { next: 10, upTo: 10 });
    scene.report({ running: { 'bridge01.0': '7' } });
  };
  scene.pass(59, round);
  t.is(scene.view.inFlight, 10);
  scene.pass(10, round);
  t.is(scene.view.inFlight, 1);
});

test('a workflow that begins anew takes what bridges hold for lent, and lets go of what is done', (t) => {
  const scene = working();
  t.is(scene.lease('bridge01', { next: 300, upTo: 310, demand: 5 }).upTo['bridge01.0'], 310);
  t.is(scene.view.circuit, 'closed');
  scene.pass(12, () => {
    scene.lease('bridge01', { next: 310, upTo: 310, demand: 0 });
    scene.report({ running: { 'bridge01.0': '305-309' } });
  });
  t.true(scene.view.inFlight <= 10, `${scene.view.inFlight}`);
});

test('a cap holds over all bridges, and the smallest that is told counts', (t) => {
  const scene = working();
  const classes = ['type:chargeCard'];
  const caps = (cap: number) => ({ caps: { 'type:chargeCard': cap } });
  t.is(scene.lease('bridge01', { classes, demand: 50 }, caps(6)).upTo['bridge01.0'], 6);
  t.is(scene.lease('bridge02', { classes, demand: 50 }, caps(9)).upTo['bridge02.0'], 0);
  t.deepEqual(scene.view.caps, { 'type:chargeCard': { limit: 6, inFlight: 6 } });
});

test('a worker whose clock is hours off is heard, and its waits are put right', (t) => {
  const scene = new Scene();
  const off = 3 * 3_600_000;
  scene.report({ sentAt: START + off });
  scene.pass(5, () => {
    const count = (scene.now - START) / 50;
    const waits = { count, sumMs: count * (off + 300) };
    scene.report({ sentAt: scene.now + off, responses: { count, sumMs: count * 50 }, waits });
  });
  t.is(scene.view.responseMs, 50);
  t.is(scene.view.waitMs, 300);
});

test('workers that die with much in work open the circuit, and it recovers alone', (t) => {
  const scene = working();
  const running = { 'bridge01.0': '0-99' };
  scene.lease('bridge01', { demand: 100 });
  scene.lease('bridge01', { next: 100, upTo: 100 });
  scene.report({ running });
  scene.pass(20, () => scene.lease('bridge01', { next: 100, upTo: 100, demand: 5 }));
  t.is(scene.view.circuit, 'open');
  t.is(scene.view.limit, 10);
  scene.report({ released: running }, 'worker02');
  t.is(scene.view.circuit, 'half-open');
  scene.pass(31, () => scene.report({}, 'worker02'));
  t.is(scene.view.circuit, 'closed');
});

test('workers that die while the limit is being cut open the circuit all the same', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 100 });
  scene.lease('bridge01', { next: 100, upTo: 100 });
  const slow = (count: number) => ({ count, sumMs: count * 2_000 });
  scene.now += 1_000;
  scene.report({ responses: slow(50), waits: slow(50), running: { 'bridge01.0': '0-99' } });
  t.is(scene.view.limit, 90);
  t.is(scene.view.circuit, 'closed');
  scene.pass(20, () => scene.lease('bridge01', { next: 100, upTo: 100, demand: 5 }));
  t.is(scene.view.circuit, 'open');
});

test("somebody else's flood opens the circuit, an operator's cut does not", (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 100 });
  scene.lease('bridge01', { next: 100, upTo: 100 });
  scene.state.change({ action: 'limit', limit: 5, who: 'ada', why: 'a deploy' }, scene.now);
  scene.lease('bridge01', { next: 100, upTo: 100 });
  t.is(scene.view.circuit, 'closed');
  t.true(scene.view.heldBy.includes('100 in work at a limit of 5, set by ada (a deploy).'));
  scene.lease('bridge01', { next: 100, upTo: 100 }, { backlog: { count: 200, polled: true } });
  t.is(scene.view.circuit, 'open');
});

test('a clock that jumps an hour ahead opens nothing and takes nothing that is in hand', (t) => {
  const scene = working();
  const running = { 'bridge01.0': '0-49' };
  const round = () => {
    scene.lease('bridge01', { next: 50, upTo: 50 });
    scene.report({ running });
  };
  scene.lease('bridge01', { demand: 50 });
  scene.pass(3, round);
  scene.now += 3_600_000;
  scene.pass(10, round);
  t.is(scene.view.circuit, 'closed');
  t.is(scene.view.inFlight, 50);
  scene.now -= 7_200_000;
  scene.pass(10, round);
  t.is(scene.view.inFlight, 50);
  t.true(scene.view.bridges[0]!.leases);
});

test('decisions outlive a workflow that is lost: the higher version wins', (t) => {
  const scene = working();
  scene.state.change({ action: 'pause', scope: 'orders/refunds', who: 'ada', why: 'a bug' }, scene.now);
  const { settings } = scene.lease('bridge01', {});
  const anew = working();
  t.deepEqual(anew.lease('bridge01', {}, { settings }).settings, settings);
  t.deepEqual(
    anew.lease('bridge01', {}, { settings: { version: 0, limit: null, pauses: {} } }).settings,
    settings,
  );
  t.deepEqual(anew.view.heldBy, ['orders/refunds is paused by ada (a bug).']);
  const resumed = anew.state.change(
    { action: 'resume', scope: 'orders/refunds', who: 'eve', why: '' },
    anew.now,
  );
  t.deepEqual(resumed, { version: 2, limit: null, pauses: {} });
});

test('looking changes nothing', (t) => {
  const scene = working();
  scene.lease('bridge01', { demand: 5 });
  const before = JSON.stringify(scene.state.carry());
  scene.state.view(scene.now + 600_000);
  t.is(JSON.stringify(scene.state.carry()), before);
});
