import test from 'ava';
import fc from 'fast-check';
import { PollSize } from '../../bridge/pressure/poll-size.js';

function sizes(maximum: number, minimum: number, steps: string): readonly number[] {
  const size = new PollSize({ maximum, minimum });
  return steps.split('').map((step) => {
    size.step(step === '!');
    return size.size;
  });
}

test('halved down to the minimum at each step under pressure, ten more at each calm one', (t) => {
  t.deepEqual(sizes(100, 10, '!!!!!'), [50, 25, 12, 10, 10]);
  t.deepEqual(sizes(100, 10, '!!!!........'), [50, 25, 12, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
  t.deepEqual(sizes(100, 10, '.!..........'), [100, 50, 60, 70, 80, 90, 100, 100, 100, 100, 100, 100]);
});

test('a maximum below the minimum is what somebody wanted', (t) => {
  t.deepEqual(sizes(5, 10, '!!..'), [5, 5, 5, 5]);
  t.deepEqual(sizes(1, 1, '!.'), [1, 1]);
});

test('always within its bounds, and it always grows back', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.boolean()),
      (maximum, minimum, steps) => {
        const size = new PollSize({ maximum, minimum });
        const lowest = Math.min(minimum, maximum);
        for (const step of steps) {
          const before = size.size;
          size.step(step);
          if (size.size < lowest || size.size > maximum) return false;
          if (step ? size.size > before : size.size < before) return false;
        }
        for (let calm = 0; calm < Math.ceil(maximum / 10); calm++) size.step(false);
        return size.size === maximum;
      },
    ),
  );
  t.pass();
});
