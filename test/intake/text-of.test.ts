import test from 'ava';
import fc from 'fast-check';
import { oneLine, thrownText } from '../../bridge/intake/one-line.js';
import { textOf } from '../../bridge/record.js';

test('two different byte strings never become one text', (t) => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    fc.string().map((text) => Buffer.from(text)),
    // Texts that look like what stands for other bytes.
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(textOf(Buffer.from(bytes)))),
    fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(`~hex:${Buffer.from(bytes).toString('hex')}`)),
  );
  fc.assert(
    fc.property(hostile, hostile, (a, b) => a.equals(b) === (textOf(a) === textOf(b))),
    { numRuns: 5_000 },
  );
  t.not(textOf(Buffer.from([0])), textOf(Buffer.from('~hex:00')));
});

test('clean UTF-8 stays as it is', (t) => {
  t.is(textOf(Buffer.from('Bestellung 7 – größer 😀')), 'Bestellung 7 – größer 😀');
  t.is(textOf(Buffer.from('\ufeffx')), '\ufeffx');
});

test('a message is one line of bounded length, whatever is put in', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      (text, max) => {
        const line = oneLine(text, max);
        // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
        return line.length <= max && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]|\p{Surrogate}/u.test(line);
      },
    ),
    { numRuns: 2_000 },
  );
  t.is(oneLine('a\r\nlevel=error b'), 'a\\u000d\\u000alevel=error b');
  t.is(oneLine('x'.repeat(5_000)).length, 1_000);
});

test('anything that is thrown has a text', (t) => {
  t.is(thrownText(Object.create(null)), 'something that has no text');
  t.is(thrownText(undefined), 'undefined');
  t.is(thrownText(new Error('a\nb')), 'a\\u000ab');
});
