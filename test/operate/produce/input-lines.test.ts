import test from 'ava';
import { linesOf } from '../../../bridge/operate/produce/input-lines.js';

async function* chunks(...texts: readonly string[]): AsyncIterable<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function read(source: AsyncIterable<Buffer>, most?: number): Promise<[number, string][]> {
  const lines: [number, string][] = [];
  for await (const { number, bytes } of linesOf(source, most)) lines.push([number, bytes.toString()]);
  return lines;
}

test('lines are numbered, whatever the chunks; a carriage return is part of the line end', async (t) => {
  const text = 'one\r\ntwo\n\nfour, with \r in it\nlast';
  const expected = [
    [1, 'one'],
    [2, 'two'],
    [3, ''],
    [4, 'four, with \r in it'],
    [5, 'last'],
  ];
  t.deepEqual(await read(chunks(text)), expected as [number, string][]);
  t.deepEqual(await read(chunks(...text.split(''))), expected as [number, string][]);
  for (let at = 1; at < text.length; at++)
    t.deepEqual(await read(chunks(text.slice(0, at), text.slice(at))), expected as [number, string][]);
});

test('a line end at the end begins no further line', async (t) => {
  t.deepEqual(await read(chunks('one\n', 'two\n')), [
    [1, 'one'],
    [2, 'two'],
  ]);
  t.deepEqual(await read(chunks('')), []);
  t.deepEqual(await read(chunks('\n')), [[1, '']]);
});

test('a file without line ends fills no memory: it is refused', async (t) => {
  const error = await t.throwsAsync(read(chunks('one\n', 'x'.repeat(60), 'x'.repeat(60)), 100));
  t.like(error, { code: 'KTB_RECORD', message: 'Expected line 2 to have at most 100 bytes, got more' });
});
