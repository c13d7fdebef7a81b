import test from 'ava';
import { MachinePressure } from '../../bridge/pressure/machine-pressure.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { until } from '../helpers/until.js';

const THRESHOLDS = { memory: 0.8, cpu: 0.9, eventLoopMs: 200 };

test.serial('it looks once a second, and says why it is under pressure, and until when', async (t) => {
  using clock = fakeClock();
  const now = { memory: 0.5, cpu: undefined as number | undefined, eventLoopMs: 3 };
  let samples = 0;
  const pressure = new MachinePressure({
    thresholds: THRESHOLDS,
    usage: { look: () => now },
    eventLoopMs: () => now.eventLoopMs,
    onSample: () => samples++,
  });
  t.deepEqual(pressure.reasons(), []);
  pressure.start();
  pressure.start();
  t.is(samples, 1);
  Object.assign(now, { memory: 0.81, cpu: 0.95, eventLoopMs: 1000 });
  await clock.advance(1_000);
  t.deepEqual(pressure.reasons(), []);
  await clock.advance(1_000);
  t.deepEqual(pressure.reasons(), ['memory', 'cpu', 'event-loop']);
  t.deepEqual(pressure.figures, now as typeof pressure.figures);
  Object.assign(now, { memory: 0.75, cpu: 0.5, eventLoopMs: 0 });
  await clock.advance(2_000);
  t.is(pressure.reasons().length, 3);
  await clock.advance(1_000);
  t.deepEqual(pressure.reasons(), ['memory'], '0.75 is more than nine tenths of 0.8');
  t.is(samples, 6);
  pressure.close();
  pressure.close();
  await clock.advance(5_000);
  t.is(samples, 6);
});

test.serial('an event loop that is blocked is seen, by as much as it was late', async (t) => {
  const pressure = new MachinePressure({
    thresholds: THRESHOLDS,
    usage: { look: () => ({ memory: 0, cpu: 0 }) },
  });
  pressure.start();
  try {
    while (!pressure.reasons().includes('event-loop')) {
      const end = performance.now() + 600;
      while (performance.now() < end);
      await turn(3);
    }
    t.true(pressure.figures.eventLoopMs > 200);
    t.true(pressure.figures.eventLoopMs < 60_000);
    await until(() => !pressure.reasons().includes('event-loop'), { what: 'a loop that is free again' });
    t.pass();
  } finally {
    pressure.close();
  }
});

test.serial('a CPU that is really busy, and memory that is really used, are seen', async (t) => {
  const pressure = new MachinePressure({ thresholds: { memory: 1e-9, cpu: 0.01, eventLoopMs: 60_000 } });
  pressure.start();
  try {
    while (pressure.reasons().length < 2) {
      const end = performance.now() + 100;
      while (performance.now() < end);
      await turn();
    }
    t.deepEqual(pressure.reasons(), ['memory', 'cpu']);
  } finally {
    pressure.close();
  }
});
