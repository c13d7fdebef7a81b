import test from 'ava';
import { LeaseKeeper } from '../../bridge/admission/lease-keeper.js';
import { SlotGate } from '../../bridge/admission/slot-gate.js';
import { SlotPool } from '../../bridge/admission/slot-pool.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import type { CapacitySettings, Lease, LeaseRequest } from '../../workflows/capacity/contract.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { LIMIT_DEFAULTS } from '../../workflows/capacity/contract.js';

const NO_SETTINGS: CapacitySettings = { version: 0, limit: null, pauses: {} };
const PAUSED: CapacitySettings = {
  version: 3,
  limit: null,
  pauses: { s: { value: true, who: 'ann', why: '', at: 1 } },
};

/** Lends everybody everything up to its limit, or whatever a test says. */
class Lender {
  readonly requests: LeaseRequest[] = [];
  readonly times: number[] = [];
  /** Numbers that each stream may have altogether. */
  total = 1_000_000;
  settings = NO_SETTINGS;
  inFlight = 0;
  fault: TemporalFault | undefined;
  silent = false;

  async lease(request: LeaseRequest, timeoutMs: number): Promise<Lease> {
    this.requests.push(structuredClone(request));
    this.times.push(Date.now());
    if (this.silent) {
      await new Promise((resolve) => setTimeout(resolve, timeoutMs));
      throw new TemporalFault('systemic', 'nobody answers');
    }
    if (this.fault) throw this.fault;
    const upTo = request.streams.map(({ id, upTo, demand }) => [id, Math.min(this.total, upTo + demand)]);
    return {
      sequence: request.sequence,
      upTo: Object.fromEntries(upTo) as Record<string, number>,
      forMs: 5_000,
      limit: 100,
      inFlight: this.inFlight,
      circuit: 'closed',
      workers: 1,
      bridges: 1,
      heldBy: [],
      pressure: [],
      settings: this.settings,
    };
  }

  get last(): LeaseRequest {
    return this.requests.at(-1)!;
  }
}

function setup() {
  const port = new Lender();
  const now = () => Date.now();
  const pool = new SlotPool({ bridge: 'abcd1234', caps: new Map(), now });
  const state = { inFlight: 0, busy: false, held: false };
  const said: string[] = [];
  const settings: CapacitySettings[] = [];
  const gate = new SlotGate({
    take: ({ classes, weight, priority }) => pool.take(classes, weight, priority === 'high'),
    giveBack: (slots) => {
      pool.giveBack(slots);
      keeper.wake();
    },
    wanting: () => keeper.wake(),
  });
  const keeper: LeaseKeeper = new LeaseKeeper({
    port,
    pool,
    gate,
    bridge: 'abcd1234',
    identity: 'host:1',
    name: 's',
    caps: {},
    limit: LIMIT_DEFAULTS,
    backlog: () => ({ count: 0, polled: true }),
    busy: () => state.busy,
    now,
    onSettings: (found) => settings.push(found),
    onLost: (fault) => said.push(fault.message),
  });
  gate.open({
    room: () => true,
    passes: () => true,
    get held() {
      return state.held;
    },
  });
  const slots: string[] = [];
  const want = (count = 1, priority: 'high' | 'medium' = 'medium') => {
    for (let index = 0; index < count; index++)
      gate.wait({ classes: [], weight: 1, priority }, (some) => slots.push(...some));
  };
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  const end = async () => {
    stop.abort();
    await running;
  };
  return { port, pool, gate, keeper, state, said, settings, slots, want, end };
}

test.serial('with nothing to do it asks nobody', async (t) => {
  using clock = fakeClock();
  const { port, end } = setup();
  await clock.advance(60_000);
  t.deepEqual(port.requests, []);
  await end();
});

test.serial(
  'the first record is answered at once, and the lease is renewed every two seconds while there is work',
  async (t) => {
    using clock = fakeClock();
    const { port, slots, want, state, end } = setup();
    state.busy = true;
    await turn(3);
    const before = port.requests.length;
    want();
    await turn(5);
    t.deepEqual(slots, ['abcd1234.0:0']);
    await clock.advance(10_000);
    const renewals = port.requests.length - before;
    t.true(renewals >= 5 && renewals <= 8, `${renewals} in ten seconds`);
    await end();
  },
);

test.serial('an idle bridge gives everything back once and asks no more', async (t) => {
  using clock = fakeClock();
  const { port, want, end } = setup();
  want(3);
  await clock.advance(10_000);
  const { length } = port.requests;
  t.like(port.last.streams[0], { next: 3, upTo: 3, demand: 0 });
  await clock.advance(60_000);
  t.is(port.requests.length, length);
  t.true(length <= 4, `${length} requests`);
  await end();
});

test.serial(
  'while slots are out elsewhere an idle bridge looks on, seldom: somebody must tell that nothing waits',
  async (t) => {
    using clock = fakeClock();
    const { port, want, end } = setup();
    port.inFlight = 3;
    want(3);
    await clock.advance(10_000);
    const { length } = port.requests;
    await clock.advance(60_000);
    const more = port.requests.length - length;
    t.true(more >= 10 && more <= 13, `${more} in a minute`);
    port.inFlight = 0;
    await clock.advance(6_000);
    const then = port.requests.length;
    await clock.advance(60_000);
    t.is(port.requests.length, then);
    await end();
  },
);

test.serial('slots that were given back are told, and then it is quiet', async (t) => {
  using clock = fakeClock();
  const { port, want, slots, gate, end } = setup();
  want(3);
  await clock.advance(5_000);
  gate.giveBack([slots[1]!]);
  await clock.advance(30_000);
  t.true(port.requests.some(({ streams }) => streams[0]?.returned === '1'));
  t.is(port.last.streams[0]?.returned, '1', 'the last one told it');
  await end();
});

test.serial(
  'while records wait in vain it asks at most four times a second, and less and less often',
  async (t) => {
    using clock = fakeClock();
    const { port, want, end } = setup();
    port.total = 2;
    want(50);
    await clock.advance(1_000);
    t.true(port.requests.length <= 5, `${port.requests.length} in the first second`);
    const before = port.requests.length;
    await clock.advance(10_000);
    const later = port.requests.length - before;
    t.true(later >= 9 && later <= 11, `${later} in ten seconds`);
    const gaps = port.times.slice(1).map((time, index) => time - port.times[index]!);
    t.true(Math.min(...gaps) >= 250, `${Math.min(...gaps)} ms between two`);
    await end();
  },
);

test.serial('while there is something to be had it asks four times a second', async (t) => {
  using clock = fakeClock();
  const { port, want, slots, end } = setup();
  port.total = 0;
  want(1_000);
  await turn(3);
  for (let round = 0; round < 20; round++) {
    port.total += 2;
    await clock.advance(250);
  }
  t.true(slots.length >= 34, `${slots.length} of 40`);
  t.true(port.requests.length <= 22, `${port.requests.length} requests in five seconds`);
  await end();
});

test.serial('what waits with high priority is asked for four times a second', async (t) => {
  using clock = fakeClock();
  const { port, want, end } = setup();
  port.total = 0;
  want(1, 'high');
  await clock.advance(10_000);
  t.true(port.requests.length >= 38 && port.requests.length <= 41, `${port.requests.length}`);
  t.true(port.last.streams[0]!.high === 1);
  await end();
});

test.serial(
  'without an answer the same request is repeated under its own sequence; then it goes on',
  async (t) => {
    using clock = fakeClock();
    const { port, keeper, want, slots, said, end } = setup();
    port.silent = true;
    want(2);
    await clock.advance(20_000);
    t.true(keeper.failing);
    t.is(said.length, 1, 'said once');
    t.true(
      port.requests.length >= 4 && port.requests.length <= 8,
      `${port.requests.length} in twenty seconds`,
    );
    for (const request of port.requests) t.deepEqual(request, port.requests[0]);
    port.silent = false;
    await clock.advanceUntil(() => slots.length === 2, 10_000);
    t.false(keeper.failing);
    t.true(port.last.sequence > 1, 'the answer to the old one lends nothing: it is asked anew');
    await end();
  },
);

test.serial('a request that is refused is not repeated as it was', async (t) => {
  using clock = fakeClock();
  const { port, want, slots, end } = setup();
  port.fault = new TemporalFault('rejected', 'no such shape');
  want();
  await clock.advance(3_000);
  const sequences = port.requests.map(({ sequence }) => sequence);
  t.is(new Set(sequences).size, sequences.length);
  port.fault = undefined;
  await clock.advanceUntil(() => slots.length === 1, 10_000);
  await end();
  t.pass();
});

test.serial(
  'while nobody answers what was lent is used to the end of its lease, and no longer',
  async (t) => {
    using clock = fakeClock();
    const { port, pool, want, slots, end } = setup();
    port.total = 20;
    want(5);
    await turn(5);
    port.silent = true;
    await clock.advance(4_900);
    want(2);
    t.is(slots.length, 7);
    await clock.advance(200);
    want(1);
    t.is(slots.length, 7);
    t.false(pool.leased);
    await end();
  },
);

test.serial(
  'settings come with the first lease, are told once, and go along with each request',
  async (t) => {
    using clock = fakeClock();
    const { port, settings, want, state, end } = setup();
    port.settings = PAUSED;
    state.busy = true;
    want();
    await clock.advance(5_000);
    t.deepEqual(settings, [PAUSED]);
    t.is(port.requests[0]!.settings, null);
    t.deepEqual(port.last.settings, PAUSED);
    port.settings = NO_SETTINGS; // a new one, that knows nothing yet
    await clock.advance(5_000);
    t.deepEqual(settings, [PAUSED]);
    t.deepEqual(port.last.settings, PAUSED);
    await end();
  },
);

test.serial(
  'closed it gives everything back under a later sequence, whatever is under way, and not more than once',
  async (t) => {
    using clock = fakeClock();
    const { port, keeper, want, end } = setup();
    want(4);
    await turn(5);
    port.silent = true;
    await clock.advance(2_100); // a renewal is under way
    port.silent = false;
    await end();
    const before = port.last.sequence;
    await Promise.all([keeper.close(1_000), keeper.close(1_000)]);
    t.like(port.last, { sequence: before + 1, ends: true });
    t.like(port.last.streams[0], { next: 4, upTo: 4, demand: 0 });
    t.is(port.requests.filter(({ ends }) => ends).length, 1);
  },
);

test.serial('closed while nobody answers it waits no longer than it may', async (t) => {
  using clock = fakeClock();
  const { port, keeper, want, end } = setup();
  want(4);
  await turn(5);
  port.silent = true;
  await end();
  let closed = false;
  void keeper.close(1_000).then(() => (closed = true));
  await clock.advance(950);
  t.false(closed);
  await clock.advance(100);
  t.true(closed);
});

test.serial('one that has never asked has nothing to give back', async (t) => {
  using clock = fakeClock();
  const { port, keeper, end } = setup();
  await clock.advance(100);
  await end();
  await keeper.close(1_000);
  t.deepEqual(port.requests, []);
});
