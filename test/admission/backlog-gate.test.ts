import test from 'ava';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import { BacklogGate } from '../../bridge/admission/backlog-gate.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';

function setup(maxBacklog = 100) {
  const port = new TemporalDouble();
  port.polled = true; // a worker is there
  const admission = new QueueAdmission(1000);
  const changes: [boolean, number][] = [];
  const stop = new AbortController();
  const gate = new BacklogGate({
    port,
    admission,
    taskQueues: ['q', 'q-ktb'],
    maxBacklog,
    onChange: (held, backlog) => changes.push([held, backlog]),
  });
  port.setBacklog('q', 0);
  port.setBacklog('q-ktb', 0);
  return { port, admission, gate, changes, stop, run: () => gate.run(stop.signal) };
}

test.serial('the queues together over the limit shut the gate, and it opens at half', async (t) => {
  using clock = fakeClock();
  const { port, admission, gate, changes, stop, run } = setup();
  port.setBacklog('q', 60);
  port.setBacklog('q-ktb', 39);
  const running = run();
  await turn(3);
  t.false(gate.held);
  port.setBacklog('q-ktb', 40);
  await clock.advance(500);
  t.true(gate.held);
  t.deepEqual(admission.state().holds, ['backlog']);
  port.setBacklog('q', 11);
  await clock.advance(500);
  t.true(gate.held, '51 is more than half');
  port.setBacklog('q', 10);
  await clock.advance(500);
  t.false(gate.held);
  t.deepEqual(admission.state().holds, []);
  t.deepEqual(changes, [
    [true, 100],
    [false, 50],
  ]);
  stop.abort();
  await running;
});

test.serial('a burst between two looks is counted, so that it cannot outrun them', async (t) => {
  using clock = fakeClock();
  const { port, gate, stop, run } = setup(10);
  port.setBacklog('q', 4);
  const running = run();
  await turn(3);
  for (let index = 0; index < 5; index++) gate.started();
  t.false(gate.held);
  gate.started();
  t.true(gate.held);
  t.is(gate.backlog, 10);
  // The workers took them: the next looks say so.
  port.setBacklog('q', 0);
  await clock.advance(1_000);
  t.false(gate.held);
  t.is(gate.backlog, 0);
  stop.abort();
  await running;
});

test.serial('what was started while the look was under way still counts after it', async (t) => {
  using clock = fakeClock();
  const { port, gate, stop, run } = setup(10);
  const running = run();
  await turn(3);
  gate.started();
  gate.started();
  port.answerLate();
  await clock.advance(5_000); // an idle look
  for (let index = 0; index < 3; index++) gate.started();
  port.setBacklog('q', 2); // the server's count is of before
  port.answer();
  await turn(3);
  t.true(gate.backlog >= 5, `it counts ${gate.backlog} of 5`);
  stop.abort();
  await running;
});

test.serial('while Temporal is away what was seen stays, and the looks go on', async (t) => {
  using clock = fakeClock();
  const { port, gate, stop, run } = setup();
  port.setBacklog('q', 150);
  const running = run();
  await turn(3);
  t.true(gate.held);
  port.fail({ times: 100, calls: ['backlog'] });
  port.setBacklog('q', 0);
  await clock.advance(10_000);
  t.true(gate.held);
  port.heal();
  await clock.advance(500);
  t.false(gate.held);
  stop.abort();
  await running;
});

test.serial('with nothing waiting and nothing started it asks seldom', async (t) => {
  using clock = fakeClock();
  const { port, gate, stop, run } = setup();
  const running = run();
  await clock.advance(60_000);
  t.true(port.countOf('backlog') <= 2 * 14, `${port.countOf('backlog')} calls in a minute`);
  const before = port.countOf('backlog');
  gate.started();
  port.setBacklog('q', 1);
  await clock.advance(60_000);
  t.true(port.countOf('backlog') - before >= 2 * 100, 'with something waiting, twice a second');
  stop.abort();
  await running;
});

test.serial('the signal ends it at once', async (t) => {
  using clock = fakeClock();
  const { port, stop, run } = setup();
  const running = run();
  await turn(3);
  stop.abort();
  await running;
  const before = port.countOf('backlog');
  await clock.advance(20_000);
  t.is(port.countOf('backlog'), before);
});

test.serial(
  'without a worker nothing is taken: a server that counts late does not open the gate',
  async (t) => {
    using clock = fakeClock();
    const { port, gate, stop, run } = setup(10);
    port.polled = false;
    port.setBacklog('q', 1); // so that it looks often
    const running = run();
    await turn(3);
    for (let index = 0; index < 9; index++) gate.started();
    t.true(gate.held);
    port.setBacklog('q', 2); // the others are on their way
    await clock.advance(500);
    t.true(gate.held);
    t.is(gate.backlog, 10);
    // A worker came, and took them.
    port.polled = true;
    port.setBacklog('q', 0);
    await clock.advance(500);
    t.false(gate.held);
    stop.abort();
    await running;
  },
);
