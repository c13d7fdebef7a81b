import test from 'ava';
import { QueueAdmission, type Permit } from '../../bridge/admission/admission.js';
import type { Priority } from '../../bridge/config/types.js';
import { BridgePressure, PRESSURE } from '../../bridge/pressure/bridge-pressure.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { DEFAULTS } from '../../bridge/config/defaults.js';

function setup(low: 'start' | 'wait') {
  const now = { memory: 0.1, workers: [] as string[] };
  const said: string[] = [];
  const admission = new QueueAdmission(2, undefined, (reason) => pressure.deferred(reason));
  const pressure: BridgePressure = new BridgePressure({
    pressure: { ...DEFAULTS.pressure, low },
    maxPollRecords: 100,
    admission,
    workers: () => now.workers,
    logger: {
      warn: (_fields: object, message?: string) => said.push(message!),
      info: (_fields: object, message?: string) => said.push(message!),
    },
    machine: { usage: { look: () => ({ memory: now.memory, cpu: 0 }) }, eventLoopMs: () => 0 },
  });
  const admitted: string[] = [];
  const permits: Permit[] = [];
  const stop = new AbortController();
  const ask = (priority: Priority, name: string = priority) =>
    admission.acquire({ weight: 1, priority, route: 'r', signal: stop.signal }).then(
      (permit) => {
        admitted.push(name);
        permits.push(permit);
      },
      () => admitted.push(`${name} left`),
    );
  return { now, said, admission, pressure, admitted, permits, ask, stop };
}

test.serial('fewer are taken at a time under pressure, and as many as before after it', async (t) => {
  using clock = fakeClock();
  const { now, pressure, said } = setup('start');
  pressure.start();
  t.is(pressure.pollRecords, 100);
  now.memory = 0.9;
  await clock.advance(1_000);
  t.is(pressure.pollRecords, 100, 'one sample is none');
  await clock.advance(1_000);
  t.is(pressure.pollRecords, 50);
  t.deepEqual(pressure.state().reasons, ['memory']);
  await clock.advance(10_000);
  t.is(pressure.pollRecords, 10);
  now.memory = 0.1;
  await clock.advance(2_000);
  t.is(pressure.pollRecords, 10);
  await clock.advance(1_000);
  t.is(pressure.pollRecords, 20);
  await clock.advance(20_000);
  t.is(pressure.pollRecords, 100);
  t.like(pressure.state(), { reasons: [], lowWaits: false, deferred: 0 });
  t.deepEqual(said, ['under pressure: fewer records are taken at a time', 'no longer under pressure']);
  pressure.close();
});

test.serial("the workers' pressure counts as our own, and each reason once", async (t) => {
  using clock = fakeClock();
  const { now, pressure } = setup('start');
  pressure.start();
  now.workers = ['slots', 'memory', 'slots'];
  now.memory = 0.9;
  await clock.advance(1_000);
  t.deepEqual(pressure.state().reasons, ['slots', 'memory']);
  t.is(pressure.pollRecords, 50);
  now.workers = [];
  await clock.advance(1_000);
  t.deepEqual(pressure.state().reasons, ['memory']);
  pressure.close();
});

test.serial("with `low: 'start'` low priority is started under pressure as ever", async (t) => {
  using clock = fakeClock();
  const { now, pressure, admission, admitted, ask } = setup('start');
  pressure.start();
  now.workers = ['slots'];
  await clock.advance(1_000);
  void ask('low');
  await turn();
  t.deepEqual(admitted, ['low']);
  t.deepEqual(admission.state().floors, []);
  pressure.close();
});

test.serial(
  "with `low: 'wait'` it waits while pressure lasts, others go past it, and then it goes on",
  async (t) => {
    using clock = fakeClock();
    const { now, pressure, admission, admitted, permits, ask } = setup('wait');
    pressure.start();
    now.workers = ['response'];
    await clock.advance(1_000);
    void ask('low', 'low 1');
    void ask('medium');
    void ask('low', 'low 2');
    void ask('high');
    await turn(3);
    t.deepEqual(admitted, ['medium', 'high']);
    t.deepEqual(admission.state().floors, [PRESSURE]);
    t.like(pressure.state(), { lowWaits: true, deferred: 2 });
    for (const permit of permits) permit.release('settled');
    await clock.advance(5_000);
    t.deepEqual(admitted, ['medium', 'high']);
    now.workers = [];
    await clock.advance(1_000);
    t.deepEqual(admitted, ['medium', 'high', 'low 1', 'low 2']);
    t.like(pressure.state(), { lowWaits: false, deferred: 2 });
    t.deepEqual(admission.state().floors, []);
    pressure.close();
  },
);

test.serial(
  'what waits for room already when pressure begins is deferred too, once however long it lasts',
  async (t) => {
    using clock = fakeClock();
    const { now, pressure, admission, admitted, permits, ask, stop } = setup('wait');
    pressure.start();
    admission.setLimit(1);
    void ask('high');
    await turn(3);
    void ask('low');
    await turn(3);
    now.workers = ['slots'];
    await clock.advance(1_000);
    now.workers = [];
    await clock.advance(1_000);
    now.workers = ['slots'];
    await clock.advance(1_000);
    permits[0]!.release('settled');
    await turn(3);
    t.deepEqual(admitted, ['high']);
    t.is(pressure.state().deferred, 1);
    stop.abort();
    await turn(3);
    t.deepEqual(admitted, ['high', 'low left'], 'a drain or a lost partition ends the wait');
    pressure.close();
  },
);
