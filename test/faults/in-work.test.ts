import test from 'ava';
import { countOver, inWorkOver, mostInWork } from './in-work.js';

test('what is open at each moment, and the most of it', (t) => {
  const intervals = [
    [0, 10],
    [5, 20],
    [10, 12],
  ] as const;
  t.deepEqual(inWorkOver(intervals), [
    [0, 1],
    [5, 2],
    [10, 1],
    [10, 2],
    [12, 1],
    [20, 0],
  ]);
  t.is(mostInWork(intervals), 2);
  t.is(mostInWork([]), 0);
});

test('how many fell into each second, also where none did', (t) => {
  t.deepEqual(countOver([100, 1_200, 1_900, 3_100], 100, 3_100), [
    [1_100, 1],
    [2_100, 2],
    [3_100, 0],
  ]);
});
