import test from 'ava';
import { TemporalCircuit } from '../../bridge/delivery/circuit.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { away } from '../helpers/doubles/unreliable-port.js';

const OPTIONS = { failures: 3, halfOpenAfterMs: 10_000 };
const failing = (): Promise<never> => Promise.reject(away());

async function openIt(circuit: TemporalCircuit): Promise<void> {
  for (let index = 0; index < OPTIONS.failures; index++) await circuit.call(failing).catch(() => undefined);
}

test.serial(
  'so many systemic faults in a row open it, and calls are refused without being made',
  async (t) => {
    using _clock = fakeClock();
    const circuit = new TemporalCircuit(OPTIONS);
    const changes: boolean[] = [];
    circuit.onChange((open) => changes.push(open));
    for (const wanted of [false, false, true]) {
      await t.throwsAsync(circuit.call(failing), { instanceOf: TemporalFault });
      t.is(circuit.open, wanted);
    }
    let called = false;
    const refused = await t.throwsAsync(circuit.call(async () => (called = true)));
    t.true(circuit.isRefused(refused));
    t.false(called);
    t.deepEqual(changes, [true]);
  },
);

test.serial('a success in between begins the count anew', async (t) => {
  using _clock = fakeClock();
  const circuit = new TemporalCircuit(OPTIONS);
  for (let index = 0; index < 10; index++) {
    await circuit.call(failing).catch(() => undefined);
    await circuit.call(failing).catch(() => undefined);
    await circuit.call(async () => undefined);
  }
  t.false(circuit.open);
});

test.serial("a record's own fault does not open it: Temporal has answered", async (t) => {
  using _clock = fakeClock();
  const circuit = new TemporalCircuit(OPTIONS);
  for (const kind of ['rejected', 'oversized'] as const) {
    for (let index = 0; index < 10; index++) {
      await t.throwsAsync(
        circuit.call(() => Promise.reject(new TemporalFault(kind, 'no'))),
        { message: 'no' },
      );
    }
  }
  t.false(circuit.open);
});

test.serial('half-open, one call at a time is tried, and its success closes it', async (t) => {
  using clock = fakeClock();
  const circuit = new TemporalCircuit(OPTIONS);
  await openIt(circuit);
  await clock.advance(10_000);
  const asked: number[] = [];
  let answer = (): void => undefined;
  const call = (id: number) =>
    circuit.call(async () => {
      asked.push(id);
      await new Promise<void>((resolve) => (answer = resolve));
    });
  const calls = [call(1), call(2), call(3)];
  await turn();
  t.deepEqual(asked, [1]);
  answer();
  await calls[0];
  t.false(circuit.open);
  await turn(2);
  t.deepEqual(asked, [1, 2, 3]);
});

test.serial('half-open, a failure opens it again for as long', async (t) => {
  using clock = fakeClock();
  const circuit = new TemporalCircuit(OPTIONS);
  await openIt(circuit);
  await clock.advance(10_000);
  await t.throwsAsync(circuit.call(failing), { instanceOf: TemporalFault });
  t.true(circuit.open);
  await clock.advance(9_000);
  t.true(circuit.isRefused(await circuit.call(failing).catch((error: unknown) => error)));
});

test.serial('where no call waits it says by itself that one may be tried, again and again', async (t) => {
  using clock = fakeClock();
  const circuit = new TemporalCircuit(OPTIONS);
  const changes: boolean[] = [];
  circuit.onChange((open) => changes.push(open));
  await openIt(circuit);
  t.deepEqual(changes, [true]);
  await clock.advance(9_900);
  t.deepEqual(changes, [true]);
  await clock.advance(100);
  t.deepEqual(changes, [true, false], 'a gate that this shuts would never open again');
  // The try fails: half-open, and open again.
  await circuit.call(failing).catch(() => undefined);
  t.deepEqual(changes, [true, false, false, true]);
  await clock.advance(10_000);
  t.deepEqual(changes, [true, false, false, true, false]);
  await circuit.call(async () => undefined);
  t.false(circuit.open);
  t.false(changes.at(-1));
});

test.serial('a wait for it ends when calls may be tried, and at the signal', async (t) => {
  using clock = fakeClock();
  const circuit = new TemporalCircuit(OPTIONS);
  await openIt(circuit);
  const abort = new AbortController();
  const ended: string[] = [];
  void circuit.passable(abort.signal).then(() => ended.push('aborted'));
  await turn();
  t.deepEqual(ended, []);
  abort.abort();
  await turn();
  t.deepEqual(ended, ['aborted']);
  await circuit.passable(abort.signal); // at once
  void circuit.passable(new AbortController().signal).then(() => ended.push('waited'));
  await clock.advanceUntil(() => ended.length === 2, 10_000);
  t.deepEqual(ended, ['aborted', 'waited']);
});
