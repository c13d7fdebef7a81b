/** docs/guarantees.md against the tests that it names. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const docs = new URL('../../docs/', import.meta.url);
const page = readFileSync(new URL('guarantees.md', docs), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('|') && !/^\|( what| it dies|-)/.test(line));

test('every row names a test, and each of these tests is there', (t) => {
  t.true(rows.length > 20, 'the tables were read');
  for (const row of rows) {
    const shown = /\[[\w.-]+\]\((\.\.\/test\/[^)]+)\): \*([^*]+)\* \|$/.exec(row);
    if (shown === null) {
      t.fail(`Expected a test in the last column, got ${row}`);
      continue;
    }
    const [, path, title] = shown;
    const source = readFileSync(fileURLToPath(new URL(path!, docs)), 'utf8').replaceAll("\\'", "'");
    // In quotes, as a title stands; the end of one whose beginning is made at run time.
    const stands = [`'${title}'`, `"${title}"`, ` ${title}\``].some((text) => source.includes(text));
    t.true(stands, `${path}: ${title}`);
  }
});
