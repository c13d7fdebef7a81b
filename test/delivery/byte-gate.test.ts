import { setMaxListeners } from 'node:events';
import test from 'ava';
import { ByteGate } from '../../bridge/delivery/byte-gate.js';
import { Interrupted } from '../../bridge/delivery/persistent-calls.js';
import { until } from '../helpers/until.js';

const never = new AbortController().signal;
setMaxListeners(0, never);

/** Work that ends when it is told to. */
function work() {
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return { run: () => ended, end };
}

test('what runs at the same time never holds more bytes than the bound, and all of it runs in the end', async (t) => {
  const gate = new ByteGate(100);
  let most = 0;
  await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      gate.holding(10 + (n % 40), never, async () => {
        most = Math.max(most, gate.held);
        await new Promise((resolve) => setImmediate(resolve));
      }),
    ),
  );
  t.true(most <= 100 && most > 50, String(most));
  t.is(gate.held, 0);
});

test('one that is larger than the bound runs alone', async (t) => {
  const gate = new ByteGate(100);
  const large = work();
  const small = work();
  const both = Promise.all([gate.holding(500, never, large.run), gate.holding(1, never, small.run)]);
  await until(() => gate.held, { what: 'the large one to run', accept: (held) => held === 500 });
  large.end();
  await until(() => gate.held, { what: 'the small one to run', accept: (held) => held === 1 });
  small.end();
  await both;
  t.is(gate.held, 0);
});

test('a wait ends with the signal, and what fails gives its bytes back', async (t) => {
  const gate = new ByteGate(10);
  const stop = new AbortController();
  const first = work();
  const running = gate.holding(10, never, first.run);
  const waiting = gate.holding(10, stop.signal, () => Promise.resolve());
  stop.abort();
  await t.throwsAsync(waiting, { instanceOf: Interrupted });
  first.end();
  await running;
  await t.throwsAsync(
    gate.holding(5, never, () => Promise.reject(new Error('failed'))),
    { message: 'failed' },
  );
  t.is(gate.held, 0);
});
