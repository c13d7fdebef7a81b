import { Readable } from 'node:stream';
import test from 'ava';
import { BridgeError } from '../../bridge/errors.js';
import {
  confirmed,
  keysFrom,
  oneLine,
  painted,
  printJson,
  printTable,
  say,
  timeText,
} from '../../bridge/cli/output.js';
import { written, type Terminal } from '../helpers/written.js';

const ESCAPE = String.fromCharCode(27);
const ROWS = [
  ['a', 'a short one'],
  ['longer-key', 'x'.repeat(200)],
];

test.serial('a table is never cut in a pipe, and its columns stand below each other', async (t) => {
  const { out } = await written({}, () => printTable(['KEY', 'REASON'], ROWS));
  t.deepEqual(out.split('\n'), [
    'KEY         REASON',
    'a           a short one',
    `longer-key  ${'x'.repeat(200)}`,
    '',
  ]);
});

test.serial("a table is cut to the terminal's width, and says that it was", async (t) => {
  const { out } = await written({ stdout: true, columns: 40, env: { NO_COLOR: '1' } }, () =>
    printTable(['KEY', 'REASON'], ROWS),
  );
  const lines = out.trimEnd().split('\n');
  t.true(lines.every((line) => line.length <= 40));
  t.regex(lines[2]!, /x…$/);
  t.is(lines[1], 'a           a short one', 'what fits stays whole');
});

test.serial('colours are for a terminal, unless NO_COLOR is set', async (t) => {
  const of = async (terminal: Terminal) => {
    let text = '';
    await written(terminal, () => (text = painted('failed', 'red')));
    return text;
  };
  t.is(await of({}), 'failed');
  t.is(await of({ stdout: true, env: { NO_COLOR: '1' } }), 'failed');
  t.true((await of({ stdout: true, env: { FORCE_COLOR: '1' } })).includes(ESCAPE));
});

test.serial('nothing in a record moves the cursor', async (t) => {
  const evil = `a${ESCAPE}[2Jb\r\nc\u009b31m\u0007`;
  t.is(oneLine(evil), 'a [2Jb c 31m ');
  const { out } = await written({}, () => printTable(['KEY'], [[evil]]));
  t.is(out, 'KEY\na [2Jb c 31m \n');
});

test.serial(
  'an object is one line of JSON; offsets are strings, and what is not there is left out',
  async (t) => {
    const { out, err } = await written({}, () =>
      printJson({ key: null, offset: 2n ** 60n, gone: undefined, text: 'a\nb' }),
    );
    t.is(out, '{"key":null,"offset":"1152921504606846976","text":"a\\nb"}\n');
    t.is(err, '');
  },
);

test.serial('what is for people goes to standard error', async (t) => {
  t.deepEqual(await written({}, () => say('No dead letters.')), { out: '', err: 'No dead letters.\n' });
});

test('a time is in UTC, to the second', (t) => {
  t.is(timeText(Date.UTC(2026, 10, 24, 6, 5, 24, 999)), '2026-11-24 06:05:24');
  t.is(timeText(undefined), '-');
});

test.serial('without a terminal nothing is waited for: it is an error that has the question', async (t) => {
  for (const terminal of [{}, { stdin: true }, { stderr: true }])
    await written(terminal, async () => {
      const error = await t.throwsAsync(confirmed('Replay 212 records?', undefined), {
        instanceOf: BridgeError,
        code: 'KTB_USAGE',
      });
      t.is(error?.message, 'Expected `--yes`, since there is no terminal to ask on: Replay 212 records?');
    });
});

test.serial('--yes asks nothing', async (t) => {
  const streams = await written({}, async () => t.true(await confirmed('Replay 212 records?', true)));
  t.deepEqual(streams, { out: '', err: '' });
});

for (const [typed, yes] of [
  ['y', true],
  ['YES', true],
  ['', false],
  ['n', false],
  ['yesterday', false],
] as const)
  test.serial(`on a terminal "${typed}" is ${yes ? 'yes' : 'no'}; the question is no data`, async (t) => {
    const before = Object.getOwnPropertyDescriptor(process, 'stdin')!;
    const stdin = Object.assign(Readable.from([`${typed}\n`]), { isTTY: true });
    Object.defineProperty(process, 'stdin', { value: stdin, configurable: true });
    try {
      const { out } = await written({ stdin: true, stderr: true }, async () =>
        t.is(await confirmed('Replay 212 records?', undefined), yes),
      );
      t.is(out, '');
    } finally {
      Object.defineProperty(process, 'stdin', before);
    }
  });

test.serial('keys come from a pipe, one a line, beside those that were named', async (t) => {
  const before = Object.getOwnPropertyDescriptor(process, 'stdin')!;
  const piped = (text: string, isTTY: boolean) =>
    Object.defineProperty(process, 'stdin', {
      value: Object.assign(Readable.from([text]), { isTTY }),
      configurable: true,
    });
  try {
    piped('a\n\n  b  \r\nc d\n', false);
    t.deepEqual(await keysFrom(['first', '-']), ['first', 'a', 'b', 'c d']);
    t.deepEqual(await keysFrom(['only']), ['only'], 'no pipe is read that was not asked for');
    piped('', true);
    await t.throwsAsync(keysFrom(['-']), {
      instanceOf: BridgeError,
      code: 'KTB_USAGE',
      message: /got a terminal/,
    });
  } finally {
    Object.defineProperty(process, 'stdin', before);
  }
});
