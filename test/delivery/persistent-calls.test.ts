import test from 'ava';
import { TemporalCircuit } from '../../bridge/delivery/circuit.js';
import { FaultJudge } from '../../bridge/delivery/fault-judge.js';
import { Interrupted, PersistentCalls } from '../../bridge/delivery/persistent-calls.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { away } from '../helpers/doubles/unreliable-port.js';

interface Setup {
  readonly probe?: () => Promise<unknown>;
  readonly failures?: number;
}

function setup({ probe = () => Promise.reject(away()), failures = 1000 }: Setup = {}) {
  const circuit = new TemporalCircuit({ failures, halfOpenAfterMs: 10_000 });
  const judge = new FaultJudge();
  const faults: number[] = [];
  const calls = new PersistentCalls({
    circuit,
    judge,
    probe,
    onFault: (_fault, attempt) => faults.push(attempt),
  });
  return { calls, circuit, judge, faults };
}

const never = new AbortController().signal;

/** What became of a promise, to be looked at while time stands still. */
function watch<T>(promise: Promise<T>): { value?: T; error?: unknown; done: boolean } {
  const seen: { value?: T; error?: unknown; done: boolean } = { done: false };
  promise.then(
    (value) => Object.assign(seen, { value, done: true }),
    (error: unknown) => Object.assign(seen, { error, done: true }),
  );
  return seen;
}

test.serial('a systemic fault is outlasted, with waits that grow to 5 s', async (t) => {
  using clock = fakeClock();
  const { calls, faults } = setup();
  const at: number[] = [];
  let left = 12;
  const call = async () => {
    at.push(Date.now());
    if (left-- > 0) throw away();
    return 'done';
  };
  const run = watch(calls.run('a', call, never));
  await clock.advanceUntil(() => run.done);
  t.is(run.value, 'done');
  t.deepEqual(faults, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const waits = at.slice(1).map((time, index) => time - at[index]!);
  t.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000]);
});

test.serial("a record's own fault is thrown at once", async (t) => {
  using _clock = fakeClock();
  const { calls, judge } = setup();
  for (const kind of ['rejected', 'oversized'] as const) {
    const fault = new TemporalFault(kind, 'no');
    t.is(await t.throwsAsync(calls.run('a', () => Promise.reject(fault), never)), fault);
  }
  t.is(judge.suspects, 0);
});

test.serial('what is no fault of Temporal passes through', async (t) => {
  using _clock = fakeClock();
  const { calls } = setup();
  await t.throwsAsync(
    calls.run('a', () => Promise.reject(new TypeError('a bug')), never),
    { instanceOf: TypeError },
  );
});

test.serial('a record that fails alone is given up when a probe stands for the others', async (t) => {
  using clock = fakeClock();
  let probes = 0;
  const { calls, judge } = setup({ probe: async () => probes++ });
  let made = 0;
  const run = watch(
    calls.run(
      'bad',
      () => {
        made++;
        return Promise.reject(away());
      },
      never,
    ),
  );
  await clock.advanceUntil(() => run.done);
  t.is((run.error as TemporalFault).kind, 'systemic');
  t.is(made, 6);
  t.is(probes, 5, 'the first failure needs none');
  t.is(judge.suspects, 0);
});

test.serial('a record is never given up while the probe fails as well, however long', async (t) => {
  using clock = fakeClock();
  const { calls } = setup();
  const abort = new AbortController();
  const run = watch(calls.run('a', () => Promise.reject(away()), abort.signal));
  await clock.advance(10 * 60_000);
  t.false(run.done);
  abort.abort();
  await turn(3);
  t.true(run.error instanceof Interrupted);
});

test.serial('several records in an outage are never given up, and need no probe', async (t) => {
  using clock = fakeClock();
  let probes = 0;
  const { calls } = setup({ probe: async () => probes++ });
  let isAway = true;
  const runs = ['a', 'b', 'c'].map((id) =>
    watch(calls.run(id, () => (isAway ? Promise.reject(away()) : Promise.resolve(id)), never)),
  );
  await clock.advance(60_000);
  t.deepEqual(
    runs.map(({ done }) => done),
    [false, false, false],
  );
  isAway = false;
  await clock.advanceUntil(() => runs.every(({ done }) => done), 6_000);
  t.deepEqual(
    runs.map(({ value }) => value),
    ['a', 'b', 'c'],
  );
  t.is(probes, 0);
});

test.serial('while the circuit is open nothing is called, and all goes on when it closes', async (t) => {
  using clock = fakeClock();
  const { calls, circuit } = setup({ failures: 3 });
  let isAway = true;
  let made = 0;
  const call = async () => {
    made++;
    if (isAway) throw away();
    return 'done';
  };
  const runs = ['a', 'b', 'c', 'd'].map((id) => watch(calls.run(id, call, never)));
  await clock.advanceUntil(() => circuit.open, 1_000);
  const before = made;
  await clock.advance(9_000);
  t.is(made, before);
  await clock.advance(30_000);
  t.true(made - before <= 4, `half-open one call at a time is tried, got ${made - before}`);
  isAway = false;
  await clock.advanceUntil(() => runs.every(({ done }) => done), 20_000);
  t.deepEqual(
    runs.map(({ value }) => value),
    ['done', 'done', 'done', 'done'],
  );
});

test.serial('a signal that has fired makes no call', async (t) => {
  using _clock = fakeClock();
  const { calls } = setup();
  let made = 0;
  await t.throwsAsync(
    calls.run('a', async () => made++, AbortSignal.abort()),
    { instanceOf: Interrupted },
  );
  t.is(made, 0);
});

test.serial('the signal ends the wait for an open circuit', async (t) => {
  using clock = fakeClock();
  const { calls, circuit, judge } = setup({ failures: 2 });
  const abort = new AbortController();
  const run = watch(calls.run('a', () => Promise.reject(away()), abort.signal));
  await clock.advanceUntil(() => circuit.open, 1_000);
  await clock.advance(500);
  t.false(run.done);
  abort.abort();
  await turn(5);
  t.true(run.error instanceof Interrupted);
  t.is(judge.suspects, 1, 'the probe, and nothing of the record');
});
