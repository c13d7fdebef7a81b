import test from 'ava';
import fc from 'fast-check';
import { chained, digestOf, LineWindow, NOTHING_DONE } from '../../../bridge/operate/produce/line-window.js';
import { within } from '../../../bridge/timing.js';

const WIDE = { lines: 1_000, bytes: 1_000_000 };
const digest = (line: number): string => digestOf(Buffer.from(`line ${line}`));

test('in whatever order lines are done, all up to the mark are, and those ahead are named', (t) => {
  fc.assert(
    fc.property(fc.shuffledSubarray(Array.from({ length: 12 }, (_, n) => n + 1)), (order) => {
      const window = new LineWindow(NOTHING_DONE, WIDE);
      for (let line = 1; line <= 12; line++) window.enter(digest(line), 10);
      for (const line of order) window.done(line);
      const { lines, sha256, ahead } = window.state;
      let chain = '';
      for (let line = 1; line <= lines; line++) chain = chained(chain, digest(line));
      t.is(sha256, chain);
      t.false(order.includes(lines + 1));
      for (let line = 1; line <= lines; line++) t.true(order.includes(line));
      t.deepEqual(
        ahead,
        Object.fromEntries(
          order
            .filter((line) => line > lines)
            .toSorted((a, b) => a - b)
            .map((line) => [line, digest(line)]),
        ),
      );
    }),
  );
});

test('it goes on where another one stood', (t) => {
  const first = new LineWindow(NOTHING_DONE, WIDE);
  for (let line = 1; line <= 3; line++) first.enter(digest(line), 10);
  for (const line of [1, 3]) first.done(line);
  const second = new LineWindow(first.state, WIDE);
  for (let line = 2; line <= 4; line++) second.enter(digest(line), 10);
  for (const line of [2, 3, 4]) second.done(line);
  const whole = new LineWindow(NOTHING_DONE, WIDE);
  for (let line = 1; line <= 4; line++) whole.enter(digest(line), 10);
  for (const line of [4, 3, 2, 1]) whole.done(line);
  t.deepEqual(second.state, whole.state);
  t.is(second.head, 4);
});

for (const [what, limits] of [
  ['too many lines', { lines: 2, bytes: 1_000 }],
  ['too many bytes', { lines: 100, bytes: 20 }],
] as const)
  test(`one line that takes long holds up the reading when there are ${what} behind it`, async (t) => {
    const window = new LineWindow(NOTHING_DONE, limits);
    const { signal } = new AbortController();
    window.enter(digest(1), 10);
    await window.room(signal);
    window.enter(digest(2), 10);
    window.done(2);
    const room = window.room(signal).then(() => 'room');
    t.is(await within(room, 10, () => 'none'), 'none');
    window.done(1);
    t.is(await room, 'room');
  });

test('whoever waits for room is let go by its signal', async (t) => {
  const window = new LineWindow(NOTHING_DONE, { lines: 1, bytes: 1_000 });
  window.enter(digest(1), 10);
  const stop = new AbortController();
  const room = window.room(stop.signal);
  stop.abort();
  await t.notThrowsAsync(room);
});
