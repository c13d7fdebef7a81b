import test from 'ava';
import { steadyClock } from '../../bridge/admission/steady-clock.js';

function setup() {
  const at = { monotonic: 500, wall: 1_700_000_000_000 };
  const now = steadyClock(
    () => at.monotonic,
    () => at.wall,
  );
  const begun = now();
  return {
    pass: (monotonic: number, wall = monotonic) => {
      at.monotonic += monotonic;
      at.wall += wall;
      return now() - begun;
    },
  };
}

test('it goes as the monotonic clock does', (t) => {
  const { pass } = setup();
  t.is(pass(100), 100);
  t.is(pass(0.5, 1), 100.5);
  t.is(pass(0.5, 0), 101);
});

test('a wall clock that is set back changes nothing, also when it comes forward again little by little', (t) => {
  const { pass } = setup();
  t.is(pass(10, -3_600_000), 10);
  t.is(pass(10, 60), 20);
});

test('a machine that has slept has grown older', (t) => {
  const { pass } = setup();
  t.is(pass(10, 60_010), 60_010);
  t.is(pass(10), 60_020);
});
