import test from 'ava';
import fc from 'fast-check';
import { decodeJson } from '../../../bridge/intake/decoders/json.js';
import { jsonErrorPosition } from '../../../bridge/intake/decoders/json-error-position.js';
import { decodeText } from '../../../bridge/intake/decoders/text.js';

const json = (text: string | Buffer): unknown => decodeJson(Buffer.from(text as string));

test('JSON comes out as it went in', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      t.deepEqual(json(JSON.stringify(value)), JSON.parse(JSON.stringify(value))),
    ),
  );
});

test('a byte order mark is taken off', (t) => {
  t.deepEqual(json('\ufeff{"a":1}'), { a: 1 });
});

test('a field called __proto__ changes no prototype', (t) => {
  const event = json('{"__proto__":{"admin":true}}') as Record<string, unknown>;
  t.is(event['admin'], undefined);
  t.true(Object.hasOwn(event, '__proto__'));
});

const REFUSED: readonly (readonly [string, string | Buffer, string])[] = [
  ['an empty value', '', 'Expected JSON, got an empty value'],
  ['other bytes', Buffer.from([0x22, 0xff, 0x22]), 'Expected JSON, got bytes that are not UTF-8'],
  ['plain text', 'hello', 'Expected JSON, got a value that fails at position 0, near "hello"'],
  ['a trailing comma', '{"a":1,}', 'Expected JSON, got a value that fails at position 7, near "}"'],
  ['a second value', '1 2', 'Expected JSON, got a value that fails at position 2, near "2"'],
  ['a cut value', '{"a":[1,', 'Expected JSON, got a value that ends too early, at position 8'],
  ['a cut string', '"abc', 'Expected JSON, got a value that ends too early, at position 4'],
  [
    'a raw line break in a string',
    '"a\nb"',
    'Expected JSON, got a value that fails at position 2, near "\\nb\\""',
  ],
  ['a number with a leading zero', '[01]', 'Expected JSON, got a value that fails at position 2, near "1]"'],
];

for (const [what, value, message] of REFUSED) {
  test(`${what} is refused with its position`, (t) => {
    t.throws(() => json(value), { message, code: 'KTB_RECORD' });
  });
}

test('no message quotes more than 100 characters of the value', (t) => {
  const error = t.throws(() => json(`x${'\u0001'.repeat(5_000)}`));
  t.true(error!.message.length < 400);
  t.is(/near "(.*)"$/.exec(error!.message)?.[1]?.includes('x'), true);
});

test('a position is found for exactly what JSON.parse refuses', (t) => {
  const almostJson = fc
    .tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', ',', '}', ']', '"', '\\', '-', '0', ' ', 'e', 'null', ':'),
    )
    .map(([text, place, junk]) => {
      const at = place % (text.length + 1);
      return text.slice(0, at) + junk + text.slice(at + (place % 2));
    });
  fc.assert(
    fc.property(almostJson, (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const position = jsonErrorPosition(text);
      // Of valid JSON the scan ends at the end as well; it is never asked.
      return valid ? position === text.length : position >= 0 && position <= text.length;
    }),
    { numRuns: 3_000 },
  );
  t.pass();
});

test('1,000 levels pass, 1,001 are refused', (t) => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  t.notThrows(() => JSON.stringify(json(nested(1_000))));
  t.throws(() => json(nested(1_001)), { message: 'Expected JSON of at most 1000 levels, got a deeper one' });
  t.throws(() => json('{"a":'.repeat(50_000)), { message: /at most 1000 levels/ });
  t.throws(() => json('['.repeat(1_000_000)), { message: /at most 1000 levels/ });
});

test('brackets in strings are no levels', (t) => {
  const text = `\\"${'['.repeat(5_000)}`;
  t.is(json(`"${text}"`), `"${'['.repeat(5_000)}`);
});

test('text is UTF-8 or refused', (t) => {
  t.is(decodeText(Buffer.from('größe')), 'größe');
  t.is(decodeText(Buffer.from('')), '');
  t.throws(() => decodeText(Buffer.from([0xff])), { message: 'Expected UTF-8 text, got other bytes' });
});
