import test from 'ava';
import { WorkerPressure } from '../../bridge/pressure/worker-pressure.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import { DEFAULTS } from '../../bridge/config/defaults.js';

function setup() {
  const now = { free: 10, total: 10, count: 0, sumMs: 0, memory: 0 };
  const pressure = new WorkerPressure({
    pressure: DEFAULTS.pressure,
    slots: () => ({ total: now.total, free: now.free }),
    responses: () => ({ count: now.count, sumMs: now.sumMs }),
    machine: { usage: { look: () => ({ memory: now.memory, cpu: 0 }) }, eventLoopMs: () => 0 },
  });
  pressure.start();
  return { now, pressure };
}

test.serial(
  'fewer free slots than wanted are pressure, until there are enough again; unknown ones are none',
  async (t) => {
    using clock = fakeClock();
    const { now, pressure } = setup();
    now.free = 1;
    await clock.advance(2_000);
    t.deepEqual(pressure.reasons(), ['slots']);
    now.free = 2;
    await clock.advance(3_000);
    t.deepEqual(pressure.reasons(), []);
    Object.assign(now, { free: 0, total: 0 });
    await clock.advance(5_000);
    t.deepEqual(pressure.reasons(), []);
    pressure.close();
  },
);

test.serial('slow responses are pressure, and end with fast ones, or when none come any more', async (t) => {
  using clock = fakeClock();
  const { now, pressure } = setup();
  const respond = async (count: number, ms: number, seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      now.count += count;
      now.sumMs += count * ms;
      await clock.advance(1_000);
    }
  };
  await respond(2, 6_000, 3);
  t.deepEqual(pressure.reasons(), ['response']);
  await respond(50, 10, 5);
  t.deepEqual(pressure.reasons(), []);
  await respond(2, 60_000, 35);
  t.deepEqual(pressure.reasons(), ['response']);
  await clock.advance(35_000);
  t.deepEqual(pressure.reasons(), []);
  pressure.close();
});

test.serial('its machine counts too, and after the end nothing is looked at', async (t) => {
  using clock = fakeClock();
  const { now, pressure } = setup();
  now.memory = 0.9;
  now.free = 0;
  await clock.advance(2_000);
  t.deepEqual(pressure.reasons(), ['memory', 'slots']);
  pressure.close();
  now.memory = 0;
  await clock.advance(5_000);
  t.deepEqual(pressure.reasons(), ['memory', 'slots']);
});
