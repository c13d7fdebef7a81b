import test from 'ava';
import fc from 'fast-check';
import { IntakeBuffer } from '../../bridge/intake/intake-buffer.js';

function bufferOf(
  partitions: string,
  limits: Partial<{ records: number; bytes: number; minimumShare: number }> = {},
) {
  const buffer = new IntakeBuffer<string>({ records: 100, bytes: 10_000, minimumShare: 1, ...limits });
  for (const partition of partitions) buffer.open(partition);
  return buffer;
}

/** Takes until nothing more is taken. @returns how many */
function fill(buffer: IntakeBuffer<string>, partition: string, bytes = 1): number {
  let taken = 0;
  while (buffer.take(partition, bytes)) taken++;
  return taken;
}

test('a partition alone has the whole budget, and two share it', (t) => {
  t.is(fill(bufferOf('a'), 'a'), 100);
  const buffer = bufferOf('ab');
  t.is(fill(buffer, 'a'), 50);
  t.true(buffer.shouldPause('a'));
  t.false(buffer.shouldPause('b'));
  t.is(fill(buffer, 'b'), 50);
  t.is(buffer.records, 100);
});

test('a partition may always hold the minimum share, and the whole budget still holds', (t) => {
  const buffer = bufferOf('abcdefghij', { minimumShare: 30 });
  t.is(fill(buffer, 'a'), 30);
  t.is(fill(buffer, 'b'), 30);
  t.is(fill(buffer, 'c'), 30);
  t.is(fill(buffer, 'd'), 10);
  t.is(fill(buffer, 'e'), 0);
});

test('bytes are shared as records are', (t) => {
  const buffer = bufferOf('ab');
  t.is(fill(buffer, 'a', 1000), 5);
  t.is(buffer.bytes, 5000);
  t.true(buffer.shouldPause('a'));
  t.is(fill(buffer, 'b', 1000), 5);
});

test('when the budget is used all pause, and go on at half', (t) => {
  const buffer = bufferOf('ab', { minimumShare: 100 });
  t.is(fill(buffer, 'a'), 100);
  t.true(buffer.shouldPause('b'), 'though it holds nothing');
  t.false(buffer.mayResume('b'));
  for (let index = 0; index < 49; index++) buffer.give('a', 1);
  t.false(buffer.mayResume('b'));
  t.false(buffer.take('b', 1));
  buffer.give('a', 1);
  t.true(buffer.mayResume('b'));
  t.true(buffer.take('b', 1));
});

test('a paused partition goes on when it is down to half of its share', (t) => {
  const buffer = bufferOf('ab');
  fill(buffer, 'a');
  for (let index = 0; index < 24; index++) buffer.give('a', 1);
  t.false(buffer.mayResume('a'));
  buffer.give('a', 1);
  t.true(buffer.mayResume('a'));
});

test('a record larger than the budget passes alone, or it never would', (t) => {
  const buffer = bufferOf('ab');
  t.true(buffer.take('a', 1));
  t.false(buffer.take('b', 50_000));
  t.true(buffer.shouldPause('a'), 'what is there goes first');
  buffer.give('a', 1);
  t.true(buffer.mayResume('b'));
  t.true(buffer.take('b', 50_000));
  t.false(buffer.take('a', 1));
  buffer.give('b', 50_000);
  t.true(buffer.take('a', 1));
  t.is(buffer.bytes, 1);
});

test("a lost partition's weight is gone, and what comes back of it later counts nothing", (t) => {
  const buffer = bufferOf('ab', { minimumShare: 100 });
  fill(buffer, 'a', 10);
  t.true(buffer.shouldPause('b'));
  buffer.close('a');
  t.is(buffer.records, 0);
  t.is(buffer.bytes, 0);
  t.false(buffer.shouldPause('b'));
  buffer.give('a', 10);
  t.is(buffer.records, 0);
  t.false(buffer.take('a', 1), 'it is not ours');
  t.false(buffer.mayResume('a'));
  buffer.close('a');
  t.is(fill(buffer, 'b'), 100);
});

test('over any interleaving the budget holds, and an empty buffer takes', (t) => {
  const steps = fc.array(
    fc.record({
      do: fc.constantFrom('take', 'take', 'take', 'give', 'give', 'reopen'),
      partition: fc.constantFrom('a', 'b', 'c'),
      bytes: fc.oneof(fc.nat(100), fc.nat(2000)),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (all) => {
      const buffer = bufferOf('abc', { records: 20, bytes: 1000 });
      const held: { partition: string; bytes: number }[] = [];
      const check = (ok: boolean, what: string): void => {
        if (!ok) throw new Error(`${what}: ${buffer.records} records, ${buffer.bytes} bytes`);
      };
      for (const { do: what, partition, bytes } of all) {
        if (what === 'take') {
          const paused = buffer.shouldPause(partition);
          if (buffer.take(partition, bytes)) {
            check(!paused, 'taken for a paused partition');
            held.push({ partition, bytes });
          }
        } else if (what === 'give') {
          const [one] = held.splice(0, 1);
          if (one) buffer.give(one.partition, one.bytes);
        } else {
          buffer.close(partition);
          buffer.open(partition);
          for (let index = held.length - 1; index >= 0; index--)
            if (held[index]!.partition === partition) held.splice(index, 1);
        }
        check(buffer.records === held.length, 'records');
        check(buffer.bytes === held.reduce((sum, one) => sum + one.bytes, 0), 'bytes');
        check(buffer.records <= 20, 'over the records');
        check(buffer.bytes <= 1000 || buffer.records === 1, 'over the bytes');
        if (held.length === 0)
          check(
            ['a', 'b', 'c'].every((one) => buffer.mayResume(one)),
            'empty, and one may not resume',
          );
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});
