import test from 'ava';
import fc from 'fast-check';
import { Threshold } from '../../bridge/pressure/threshold.js';

function after(...values: (number | undefined)[]): boolean {
  const threshold = new Threshold(100);
  for (const value of values) threshold.sample(value);
  return threshold.passed;
}

test('two samples over it in a row pass a threshold; one does not, nor does one that is just on it', (t) => {
  t.false(after(101));
  t.true(after(101, 200));
  t.false(after(101, 100, 101));
  t.false(after(100, 100, 100));
});

test('three samples below nine tenths in a row end it, and between the two nothing changes', (t) => {
  t.true(after(101, 101, 89, 89));
  t.false(after(101, 101, 89, 0, 50));
  t.true(after(101, 101, 89, 89, 90, 89, 89));
  t.true(after(101, 101, 95, 95, 95, 95, 95));
  t.false(after(95, 95, 95, 95));
});

test('what could not be measured changes nothing', (t) => {
  t.true(after(101, undefined, Number.NaN, 101));
  t.true(after(101, 101, 89, undefined, 89));
  t.false(after(101, 101, 89, undefined, 89, Number.NaN, 89));
});

test('it never turns more often than every second sample, and calm always ends it', (t) => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 200 })), (values) => {
      const threshold = new Threshold(100);
      let turns = 0;
      let before = false;
      for (const value of values) {
        threshold.sample(value);
        if (threshold.passed !== before) turns++;
        before = threshold.passed;
      }
      for (let sample = 0; sample < 3; sample++) threshold.sample(0);
      return turns <= values.length / 2 && !threshold.passed;
    }),
  );
  t.pass();
});
