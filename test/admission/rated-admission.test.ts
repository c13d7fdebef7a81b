import { setMaxListeners } from 'node:events';
import test from 'ava';
import { QueueAdmission, type AcquireOptions } from '../../bridge/admission/admission.js';
import { RatedAdmission } from '../../bridge/admission/rated-admission.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';

const never = new AbortController().signal;
setMaxListeners(0, never);
const ROUTES = [
  { id: 'slow', rate: { perSecond: 10, burst: 2 } },
  { id: 'free', rate: undefined },
];

function setup(limit = 100) {
  const inner = new QueueAdmission(limit);
  const admission = new RatedAdmission(inner, ROUTES);
  const times: Record<string, number[]> = { slow: [], free: [] };
  const order: string[] = [];
  const ask = (route: string, others: Partial<AcquireOptions> = {}) => {
    const options: AcquireOptions = { weight: 1, priority: 'medium', route, signal: never, ...others };
    return admission.acquire(options).then((permit) => {
      times[route]!.push(Date.now());
      order.push(`${options.priority} ${route}`);
      return permit;
    });
  };
  return { inner, ask, times, order };
}

test.serial('a route with a rate asks at its rate, and keeps no permit from the others', async (t) => {
  using clock = fakeClock();
  const { ask, times, inner } = setup(4);
  for (let count = 0; count < 10; count++) void ask('slow').then((permit) => permit.release('settled'));
  for (let count = 0; count < 3; count++) void ask('free');
  await turn(3);
  t.is(times['free']!.length, 3);
  t.like(inner.state(), { inFlight: 3, waiting: 0 }, 'what waits for the rate waits for no permit');
  t.is(times['slow']!.length, 2);
  await clock.advance(1_000);
  t.is(times['slow']!.length, 10);
});

test.serial(
  'while the gate is shut turns do not gather: it opens, and no more than the burst passes',
  async (t) => {
    using clock = fakeClock();
    const { ask, times, inner } = setup();
    inner.hold('circuit');
    for (let count = 0; count < 30; count++) void ask('slow');
    await clock.advance(10_000);
    t.is(times['slow']!.length, 0);
    inner.lift('circuit');
    await turn(5);
    t.true(times['slow']!.length <= 2, `${times['slow']!.length} at once`);
    await clock.advance(4_000);
    t.is(times['slow']!.length, 30);
    times['slow']!.forEach((from, first) =>
      times['slow']!.slice(first).forEach((to, more) => {
        t.true(more + 1 <= 2 + (10 * (to - from)) / 1000, `${more + 1} in ${to - from} ms`);
      }),
    );
  },
);

test.serial('what is low and waits for its permit keeps nothing high of its route waiting', async (t) => {
  using clock = fakeClock();
  const { ask, order, inner } = setup(1);
  const busy = await ask('free');
  void ask('slow', { priority: 'low' });
  await turn(3);
  void ask('slow', { priority: 'high' });
  await turn(3);
  busy.release('settled');
  await clock.advance(500);
  t.deepEqual(order, ['medium free', 'high slow']);
  t.is(inner.state().inFlight, 1);
});

test.serial('after the signal no permit is left behind, whenever it fires', async (t) => {
  using clock = fakeClock();
  const { ask, inner } = setup();
  for (const ms of [0, 1, 50, 150, 250]) {
    const abort = new AbortController();
    const asked = Array.from({ length: 6 }, () => ask('slow', { signal: abort.signal }));
    const ends = asked.map((one) =>
      one.then(
        (permit) => permit.release('settled'),
        () => undefined,
      ),
    );
    if (ms > 0) await clock.advance(ms);
    abort.abort();
    await clock.advance(1_000);
    await Promise.all(ends);
    t.like(inner.state(), { inFlight: 0, waiting: 0 }, `after ${ms} ms`);
  }
});
