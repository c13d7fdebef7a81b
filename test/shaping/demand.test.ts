import test from 'ava';
import fc from 'fast-check';
import { Demand } from '../../bridge/shaping/demand.js';

const OPTIONS = { buffer: 100, step: 10, resumeBelow: 50 };
const never = new AbortController().signal;

const takes = (demand: Demand, count: number): number => {
  let taken = 0;
  for (let index = 0; index < count; index++) if (demand.take()) taken++;
  return taken;
};

test('it asks for a step at a time, and for the next when that has come, until it is full', (t) => {
  const demand = new Demand(OPTIONS);
  t.is(demand.open, 10);
  t.is(takes(demand, 9), 9);
  t.is(demand.open, 1);
  t.is(takes(demand, 1), 1);
  t.is(demand.open, 10);
  t.is(takes(demand, 1_000), 90);
  t.is(demand.held, 100);
  t.is(demand.open, 0);
});

test('once full, it asks again when it holds fewer than `resumeBelow`', (t) => {
  const demand = new Demand(OPTIONS);
  takes(demand, 100);
  for (let left = 0; left < 50; left++) demand.left();
  t.is(demand.held, 50);
  t.is(demand.open, 0);
  demand.left();
  t.is(demand.open, 10);
});

test('what is high need not be asked for, where there is room', async (t) => {
  const demand = new Demand({ buffer: 4, step: 2, resumeBelow: 1 });
  takes(demand, 4);
  t.false(demand.take(true));
  let isAsked = false;
  const waits = demand.asked(never, true).then(() => (isAsked = true));
  demand.left();
  await waits;
  t.true(isAsked);
  t.false(demand.take());
  t.true(demand.take(true));
  t.is(demand.held, 4);
});

test('whoever waits is woken when it asks again, and by the signal', async (t) => {
  const demand = new Demand({ buffer: 2, step: 2, resumeBelow: 1 });
  takes(demand, 2);
  const abort = new AbortController();
  const woken: string[] = [];
  const wait = (name: string, signal: AbortSignal) => demand.asked(signal).then(() => woken.push(name));
  const both = [wait('aborted', abort.signal), wait('asked', never)];
  abort.abort();
  await both[0];
  t.deepEqual(woken, ['aborted']);
  demand.left();
  t.is(demand.open, 0);
  demand.left();
  t.is(demand.open, 2);
  await both[1];
  t.deepEqual(woken, ['aborted', 'asked']);
  await demand.asked(never);
});

test('it never holds more than its buffer, but for what comes back, and never stops asking for good', (t) => {
  const options = fc
    .record({ buffer: fc.integer({ min: 1, max: 20 }), a: fc.nat(19), b: fc.nat(19) })
    .map(({ buffer, a, b }) => ({ buffer, step: 1 + (a % buffer), resumeBelow: 1 + (b % buffer) }));
  const steps = fc.array(fc.constantFrom('take', 'take', 'high', 'left', 'back'), { maxLength: 100 });
  fc.assert(
    fc.property(options, steps, (given, all) => {
      const demand = new Demand(given);
      let gone = 0;
      let backs = 0;
      for (const step of all) {
        if (step === 'take' || step === 'high') demand.take(step === 'high');
        else if (step === 'left' && demand.held > 0) {
          demand.left();
          gone++;
        } else if (step === 'back' && gone > 0) {
          demand.back();
          gone--;
          backs++;
        }
        if (demand.held + demand.open > given.buffer + backs) return false;
        if (demand.open > given.step) return false;
        if (demand.held === 0 && demand.open === 0) return false;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});
