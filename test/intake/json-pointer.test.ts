import test from 'ava';
import fc from 'fast-check';
import { compilePointer, isJsonPointer } from '../../bridge/intake/json-pointer.js';

const at = (pointer: string, document: unknown): unknown => compilePointer(pointer)(document);

// RFC 6901, section 5.
const RFC = {
  foo: ['bar', 'baz'],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'g|h': 4,
  'i\\j': 5,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
};

test('the examples of RFC 6901 give what it says', (t) => {
  t.is(at('', RFC), RFC);
  t.deepEqual(at('/foo', RFC), ['bar', 'baz']);
  t.is(at('/foo/0', RFC), 'bar');
  const scalars = ['/', '/a~1b', '/c%d', '/e^f', '/g|h', '/i\\j', '/k"l', '/ ', '/m~0n'];
  t.deepEqual(
    scalars.map((pointer) => at(pointer, RFC)),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  );
});

test('what is not there is undefined', (t) => {
  for (const pointer of ['/x', '/foo/2', '/foo/-', '/foo/00', '/foo/01', '/foo/-1', '/foo/0/x', '/a~1b/x']) {
    t.is(at(pointer, RFC), undefined, pointer);
  }
  for (const document of [null, undefined, 'text', 5, true]) t.is(at('/x', document), undefined);
});

test('what JavaScript adds is never reached', (t) => {
  for (const pointer of ['/constructor', '/__proto__', '/toString', '/foo/length', '/foo/constructor/name']) {
    t.is(at(pointer, RFC), undefined, pointer);
  }
  t.is(at('/0', Buffer.from('x')), undefined);
  t.is(at('/length', 'text'), undefined);
});

test('a field that is called __proto__ is a field', (t) => {
  t.is(at('/__proto__/id', JSON.parse('{"__proto__":{"id":"x"}}')), 'x');
});

test('~01 is ~1 and not a slash', (t) => {
  t.is(at('/~01', { '~1': 'right', '/': 'wrong' }), 'right');
});

test('what is no JSON pointer is refused', (t) => {
  for (const text of ['a', 'a/b', '#/a', '/a~', '/a~2', '/~~0']) {
    t.false(isJsonPointer(text), text);
    t.throws(() => compilePointer(text), { instanceOf: SyntaxError });
  }
  t.false(isJsonPointer(5));
});

test('every path into a document finds its value', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 6 }), fc.jsonValue(), (keys, value) => {
      const document = keys.reduceRight<unknown>((inner, key) => Object.fromEntries([[key, inner]]), value);
      const pointer = keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
      return Object.is(at(pointer, document), value);
    }),
  );
  t.pass();
});
