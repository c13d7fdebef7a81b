import { setMaxListeners } from 'node:events';
import test from 'ava';
import { CallBudget } from '../../bridge/admission/call-budget.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';

const never = new AbortController().signal;
setMaxListeners(0, never);

function setup(perSecond: number, reserve: number) {
  const budget = new CallBudget({ perSecond, reserve });
  const made = { high: 0, medium: 0, low: 0 };
  const ask = (priority: 'high' | 'medium' | 'low', count: number) => {
    for (let index = 0; index < count; index++)
      void budget.spend(priority, never).then(() => made[priority]++);
  };
  return { budget, made, ask };
}

test.serial('under a flood of the others the reserve is left for high priority', async (t) => {
  using clock = fakeClock();
  const { made, ask } = setup(50, 0.2);
  ask('low', 500);
  await turn(100);
  t.is(made.low, 40);
  ask('high', 10);
  await turn(30);
  t.is(made.high, 10, 'at once');
  ask('high', 1);
  await turn(10);
  t.is(made.high, 10, 'never more than all of it');
  await clock.advance(1_100);
  t.is(made.high, 11);
  t.true(made.low + made.high <= 100, `${made.low + made.high} in two seconds`);
});

test.serial('high priority may use all of it', async (t) => {
  using clock = fakeClock();
  const { made, ask } = setup(50, 0.2);
  ask('high', 100);
  await turn(200);
  t.is(made.high, 50);
  await clock.advance(1_100);
  t.is(made.high, 100);
});

test.serial('less than one call a second is a call every so many seconds', async (t) => {
  using clock = fakeClock();
  const { made, ask } = setup(0.5, 0.5);
  ask('low', 3);
  await turn(10);
  t.is(made.low, 1);
  await clock.advance(3_800);
  t.is(made.low, 1);
  await clock.advance(500);
  t.is(made.low, 2);
});
