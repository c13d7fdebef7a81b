import test from 'ava';
import fc from 'fast-check';
import type { LeaseRequest, SettingsChange, WorkerReport } from '../../../workflows/capacity/contract.js';
import { CapacityState } from '../../../workflows/capacity/state.js';
import { OPTIONS } from './simulation.js';

const NOW = 1_790_000_000_000;
const params = {
  numRuns: 1_000,
  includeErrorInReport: true,
  // For `npm run mutants`: a bug is found or not, whoever runs it, and need not be shrunk.
  ...(process.env['KTB_MUTANT'] ? { seed: 7, endOnFailure: true } : {}),
};

const request: LeaseRequest = {
  bridge: 'bridge01',
  identity: 'host:1',
  name: 'orders',
  sequence: 1,
  streams: [{ id: 'bridge01.0', classes: ['a'], next: 0, upTo: 0, demand: 5, high: 0, returned: '' }],
  caps: { a: 4 },
  options: OPTIONS,
  backlog: { count: 0, polled: true },
  settings: null,
};
const report: WorkerReport = {
  worker: 'worker01',
  identity: 'host:2',
  sequence: 1,
  sentAt: NOW,
  responses: { count: 0, sumMs: 0 },
  waits: { count: 0, sumMs: 0 },
  released: {},
  running: {},
  others: 0,
  slots: { total: 10, free: 10 },
  pressure: [],
};

function known(): CapacityState {
  const state = CapacityState.fresh('orders');
  state.report(report, NOW);
  state.lease(request, NOW);
  return state;
}

/** All but what says that something was ignored. */
function kept(state: CapacityState): string {
  return JSON.stringify({ ...state.carry(), ignored: 0 });
}

const absurd = fc.constantFrom<unknown>(-1, NaN, Infinity, 1.5, 2 ** 41, 'x', null, undefined, {}, [], true);

const badReports = fc.oneof(
  fc.anything(),
  fc
    .tuple(
      fc.constantFrom(
        'worker',
        'sequence',
        'sentAt',
        'responses',
        'waits',
        'released',
        'running',
        'others',
        'slots',
      ),
      absurd.filter((one) => typeof one !== 'object' || one === null),
    )
    .filter(([field, value]) => !(field === 'worker' && value === 'x'))
    .map(([field, value]) => ({ ...report, sequence: 2, [field]: value })),
  fc.constantFrom<unknown>(
    { ...report, sequence: 2, sentAt: NOW + 86_400_001, released: { 'bridge01.0': '0-3' } },
    { ...report, sequence: 2, responses: { count: -10, sumMs: 5 } },
    { ...report, sequence: 2, responses: { count: 10, sumMs: -5 } },
    { ...report, sequence: 2, released: { 'bridge01.0': 3 } },
    { ...report, sequence: 2, released: { 'bridge01.0': '0-3,'.repeat(9_999) } },
    { ...report, sequence: 2, slots: { total: -1, free: 0 } },
  ),
);

test('a report that makes no sense changes nothing, and is counted', (t) => {
  fc.assert(
    fc.property(badReports, (bad) => {
      const state = known();
      const before = kept(state);
      state.report(bad as WorkerReport, NOW);
      if (kept(state) !== before) throw new Error(`${before} became ${kept(state)}`);
      if (state.ignored !== 1) throw new Error(`${state.ignored} ignored`);
    }),
    params,
  );
  t.pass();
});

const badRequests = fc.oneof(
  fc.anything(),
  fc
    .tuple(fc.constantFrom('bridge', 'sequence', 'streams', 'caps', 'name'), absurd)
    .filter(([field, value]) => !(typeof value === 'object' && value !== null) || field === 'sequence')
    .filter(([field, value]) => !(value === 'x' && (field === 'bridge' || field === 'name')))
    .map(([field, value]) => ({ ...request, sequence: 2, [field]: value })),
);

test('a request that makes no sense lends nothing and changes nothing, and is counted', (t) => {
  fc.assert(
    fc.property(badRequests, (bad) => {
      const state = known();
      const before = kept(state);
      const answer = state.lease(bad as LeaseRequest, NOW);
      t.deepEqual(answer.upTo, {});
      if (kept(state) !== before) throw new Error(`${before} became ${kept(state)}`);
      if (state.ignored !== 1) throw new Error(`${state.ignored} ignored`);
    }),
    params,
  );
});

const badStreams = fc
  .tuple(fc.constantFrom('id', 'classes', 'next', 'upTo', 'demand', 'high', 'returned'), absurd)
  .filter(([field, value]) => !(field === 'classes' && Array.isArray(value)))
  .filter(([field, value]) => !(field === 'returned' && value === 'x'))
  .map(([field, value]) => ({ ...request.streams[0], [field]: value }));

test('a stream that makes no sense is left out, be it of somebody else', (t) => {
  const foreign = { ...request.streams[0]!, id: 'bridge02.0', next: 3, upTo: 3 };
  const wrong = { ...request.streams[0]!, next: 4, upTo: 2 };
  fc.assert(
    fc.property(fc.oneof(badStreams, fc.constantFrom(foreign, wrong)), (bad) => {
      const state = known();
      const before = JSON.stringify(state.carry().streams);
      state.lease({ ...request, sequence: 2, streams: [bad as never] }, NOW);
      if (JSON.stringify(state.carry().streams) !== before) throw new Error('it was heard');
      if (state.ignored !== 1) throw new Error(`${state.ignored} ignored`);
    }),
    params,
  );
  t.pass();
});

test('numbers that were never lent, and streams that nobody has, are released in vain', (t) => {
  const state = known();
  const { inFlight } = state.view(NOW);
  const released = { 'bridge01.0': '7-1000', 'nobody.3': '0-5', ['__proto__']: '1' };
  state.report({ ...report, sequence: 2, released }, NOW);
  t.is(state.view(NOW).inFlight, inFlight);
  t.true(state.ignored >= 2);
});

test('options and caps that make no sense leave those that were known', (t) => {
  const state = known();
  const options = { ...OPTIONS, minimum: -3 };
  state.lease({ ...request, sequence: 2, options, caps: { a: -1, b: 1.5 } }, NOW);
  t.deepEqual(state.view(NOW).options, OPTIONS);
  t.deepEqual(state.view(NOW).caps, {});
});

test('a change that makes no sense is refused in words, and changes nothing', (t) => {
  const who = { who: 'ada', why: '' };
  const bad: readonly [unknown, RegExp][] = [
    [{ ...who, action: 'limit', limit: -5 }, /^Expected `limit` to be a whole number .*, got -5$/],
    [{ ...who, action: 'limit', limit: 1.5 }, /`limit`/],
    [{ ...who, action: 'pause', scope: '' }, /`scope`/],
    [{ ...who, action: 'explode', scope: 'orders' }, /`action`/],
    [{ who: '', why: '', action: 'pause', scope: 'orders' }, /`who`/],
    [null, /change/],
  ];
  const state = known();
  const before = kept(state);
  for (const [change, message] of bad) {
    t.throws(() => state.change(change as SettingsChange, NOW), { message });
    t.is(kept(state), before);
  }
});

test('whatever is sent, what is carried stays small', (t) => {
  const state = known();
  const caps = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`${n}`.padStart(100, 'c'), 5]));
  for (let number = 0; number < 1_200; number++) {
    const worker = `w${number}`;
    const pressure = Array.from({ length: 10 }, () => 'x'.repeat(20));
    state.report(
      { ...report, worker, identity: 'y'.repeat(200), pressure, running: { 'bridge01.0': '0-4' } },
      NOW,
    );
    const bridge = `b${number}`;
    const streams = Array.from({ length: 5 }, (_, index) => ({
      id: `${bridge}.${index}`,
      classes: ['z'.repeat(100)],
      next: 1_000,
      upTo: 1_000,
      demand: 1,
      high: 0,
      returned: '',
    }));
    state.lease({ ...request, bridge, identity: 'y'.repeat(200), streams, caps }, NOW);
  }
  t.true(JSON.stringify(state.carry()).length < 1_500_000);
});
