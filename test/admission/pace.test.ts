import { setMaxListeners } from 'node:events';
import test from 'ava';
import fc from 'fast-check';
import { Pace } from '../../bridge/admission/pace.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';

const never = new AbortController().signal;
setMaxListeners(0, never);

/** When each of so many turns came, ms since the first was asked for. */
async function timesOf(pace: Pace, askedAt: readonly number[]): Promise<readonly number[]> {
  using clock = fakeClock();
  const began = Date.now();
  const times: number[] = [];
  for (const at of [...askedAt].sort((a, b) => a - b)) {
    await clock.advance(Math.max(0, at - (Date.now() - began)));
    void pace.turn('medium', never).then(() => times.push(Date.now() - began));
  }
  await clock.advanceUntil(() => times.length === askedAt.length, 600_000);
  return times;
}

test.serial('in no time t do more than burst + perSecond x t pass, whenever they ask', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({ perSecond: fc.integer({ min: 1, max: 40 }), burst: fc.integer({ min: 1, max: 20 }) }),
      fc.array(fc.nat(3_000), { minLength: 1, maxLength: 60 }),
      async ({ perSecond, burst }, askedAt) => {
        const times = await timesOf(new Pace(perSecond, burst), askedAt);
        times.forEach((from, first) =>
          times.slice(first).forEach((to, more) => {
            const allowed = burst + (perSecond * (to - from)) / 1000;
            if (more + 1 > allowed) throw new Error(`${more + 1} in ${to - from} ms, ${allowed} are allowed`);
          }),
        );
      },
    ),
    { numRuns: 40 },
  );
  t.pass();
});

test.serial(
  'after a quiet time a burst passes at once, and in the long run all that the rate allows',
  async (t) => {
    const times = await timesOf(
      new Pace(100, 20),
      Array.from({ length: 220 }, () => 0),
    );
    t.is(times.filter((at) => at < 50).length, 20);
    t.true(times.at(-1)! <= 2_100, `220 at 100 a second after a burst of 20 took ${times.at(-1)} ms`);
  },
);

test.serial('what is high passes first', async (t) => {
  using clock = fakeClock();
  const pace = new Pace(1, 1);
  const order: string[] = [];
  const asks = (name: 'low' | 'medium' | 'high') => void pace.turn(name, never).then(() => order.push(name));
  asks('low');
  await turn();
  for (const name of ['low', 'medium', 'high'] as const) asks(name);
  await clock.advance(10_000);
  // One waits for the window already when the others come.
  t.deepEqual(order, ['low', 'low', 'high', 'medium']);
});

test.serial('the signal ends a wait, and takes nothing of the rate', async (t) => {
  using clock = fakeClock();
  const pace = new Pace(1, 1);
  await pace.turn('low', never);
  const abort = new AbortController();
  const waiting = [pace.turn('low', abort.signal), pace.turn('low', abort.signal)];
  abort.abort(new Error('over'));
  for (const one of waiting) await t.throwsAsync(one, { message: 'over' });
  let passed = false;
  void pace.turn('low', never).then(() => (passed = true));
  await clock.advance(1_050);
  t.true(passed);
});

test.serial('a clock that is set back by an hour stops nothing for longer than a window', async (t) => {
  using clock = fakeClock();
  const pace = new Pace(10, 5);
  for (let count = 0; count < 5; count++) await pace.turn('low', never);
  const { now } = Date;
  Date.now = () => now() - 3_600_000;
  try {
    let passed = 0;
    for (let count = 0; count < 5; count++) void pace.turn('low', never).then(() => passed++);
    await clock.advance(1_500);
    t.is(passed, 5);
  } finally {
    Date.now = now;
  }
});
