import test from 'ava';
import fc from 'fast-check';
import type { LimitOptions } from '../../../workflows/capacity/contract.js';
import { limitOf, moved, observed, UNMOVED, type LimitState } from '../../../workflows/capacity/limit.js';

const OPTIONS: LimitOptions = {
  limit: 'aimd',
  initial: 100,
  minimum: 10,
  maximum: 200,
  slowMs: 1_000,
  fastMs: 100,
  slotLeaseMs: 60_000,
};

const moments = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 1_500 }),
    responses: fc.integer({ min: 0, max: 15 }),
    responseMs: fc.constantFrom(20, 99, 100, 300, 1_000, 1_001, 5_000),
    waitMs: fc.constantFrom(0, 200, 201, 900),
    inFlight: fc.integer({ min: 0, max: 300 }),
    bound: fc.boolean(),
  }),
  { maxLength: 150, size: 'max' },
);
const params = {
  numRuns: 500,
  includeErrorInReport: true,
  // For `npm run mutants`: a bug is found or not, whoever runs it, and need not be shrunk.
  ...(process.env['KTB_MUTANT'] ? { seed: 7, endOnFailure: true } : {}),
};

test('the limit keeps its bounds and its pace, and moves for its reasons only', (t) => {
  const options = fc.constantFrom<LimitOptions['limit']>('aimd', 'gradient', 'fixed');
  fc.assert(
    fc.property(options, moments, (limit, list) => {
      const own = { ...OPTIONS, limit, initial: 30, maximum: 50 };
      let state: LimitState = UNMOVED;
      let [now, changedAt, fresh, cut] = [0, -Infinity, 0, false];
      for (const moment of list) {
        now += moment.afterMs;
        fresh += moment.responses;
        const before = limitOf(state, own);
        if (moment.inFlight <= before) cut = false;
        state = moved(observed(state, moment.responses), moment, own, now).state;
        const after = limitOf(state, own);
        const said = `${before} became ${after} at ${now} by ${JSON.stringify(moment)}`;
        if (after < own.minimum || after > own.maximum) throw new Error(`out of bounds: ${said}`);
        if (after === before) continue;
        if (limit === 'fixed') throw new Error(`it is fixed: ${said}`);
        if (now - changedAt < 1_000 || fresh < 10) throw new Error(`too soon: ${said}`);
        if (after < before && cut) throw new Error(`the last cut has not worked yet: ${said}`);
        if (limit === 'aimd') {
          const overload = moment.responseMs > own.slowMs && moment.waitMs > 200;
          const calm = moment.bound && moment.waitMs <= 200 && after <= own.initial;
          if (after < before && !overload) throw new Error(`no overload: ${said}`);
          if (after > before && moment.responseMs >= own.fastMs && !calm)
            throw new Error(`no reason: ${said}`);
          if (after < before - 10 || after > before + 5) throw new Error(`too far: ${said}`);
        }
        cut = after < before;
        changedAt = now;
        fresh = 0;
      }
    }),
    params,
  );
  t.pass();
});

/** Workers of so many slots, each record of so many ms: what a bridge and its workers make of the limit. */
function run(
  options: LimitOptions,
  from: LimitState,
  slots: number,
  handlerMs: number,
  seconds: number,
  now: number,
) {
  let [state, ended] = [from, 0];
  for (let second = 0; second < seconds; second++) {
    const limit = limitOf(state, options);
    const waitMs = limit <= slots ? 0 : (handlerMs * (limit - slots)) / slots;
    ended += (Math.min(limit, slots) * 1_000) / handlerMs;
    const responses = Math.floor(ended);
    ended -= responses;
    const seen = { inFlight: limit, bound: true, responseMs: handlerMs, waitMs };
    state = moved(observed(state, responses), seen, options, now + second * 1_000).state;
  }
  return state;
}

for (const limit of ['aimd', 'gradient'] as const) {
  test(`${limit}: an overload brings the limit down to what the workers can take, and it comes back`, (t) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 60 }),
        fc.integer({ min: 1_500, max: 4_000 }),
        (slots, slowMs) => {
          const options = { ...OPTIONS, limit };
          const calm = run(options, UNMOVED, 150, 90, 60, 0);
          if (limitOf(calm, options) < 100) throw new Error(`${limitOf(calm, options)} after a calm minute`);
          const hurt = run(options, calm, slots, slowMs, 600, 60_000);
          const low = limitOf(hurt, options);
          // Without waits of 200 ms it grows again by 5: it goes up and down around what the workers can take.
          const most = Math.max(10, Math.ceil(slots * (1 + 200 / slowMs)) + 5);
          const isLow = limit === 'aimd' ? low <= most : low < limitOf(calm, options);
          if (!isLow) throw new Error(`${low} after ten minutes of ${slots} slots at ${slowMs} ms`);
          const back = limitOf(run(options, hurt, 150, 50, 300, 660_000), options);
          if (back < 100) throw new Error(`${back} after five minutes of calm, from ${low}`);
        },
      ),
      { ...params, numRuns: 100 },
    );
    t.pass();
  });
}

test('handlers of 300 ms on idle workers bring a low limit back to where it began, and no further', (t) => {
  const low = { ...UNMOVED, value: 10 };
  t.is(limitOf(run(OPTIONS, low, 500, 300, 120, 0), OPTIONS), 100);
});

test('a slow handler on idle workers does not lower the limit', (t) => {
  t.is(limitOf(run(OPTIONS, UNMOVED, 500, 3_000, 120, 0), OPTIONS), 100);
});

test('gradient: a low limit that is hardly used comes back to where it began, and no further', (t) => {
  const options = { ...OPTIONS, limit: 'gradient' as const };
  let state: LimitState = { ...UNMOVED, value: 10, usualMs: 50, steps: 100 };
  const seen = { inFlight: 2, bound: false, responseMs: 50, waitMs: 0 };
  for (let second = 0; second < 300; second++)
    state = moved(observed(state, 20), seen, options, second * 1_000).state;
  t.is(limitOf(state, options), 100);
});
