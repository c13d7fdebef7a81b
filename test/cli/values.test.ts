import test from 'ava';
import { InvalidArgumentError } from 'commander';
import { listenAddress, place, positiveNumber, time, wholeNumber } from '../../bridge/cli/values.js';

const WRONG = { instanceOf: InvalidArgumentError } as const;

test('a whole number is digits only: nothing is read into an empty text', (t) => {
  t.is(wholeNumber('0'), 0);
  t.is(wholeNumber('1402'), 1402);
  for (const text of ['', ' ', '-1', '1.5', '1e3', '0x10', 'many', '99999999999999999999'])
    t.throws(() => wholeNumber(text), WRONG, text);
});

test('an address is a port, or a host and a port', (t) => {
  t.deepEqual(listenAddress('9464'), { port: 9464 });
  t.deepEqual(listenAddress('0.0.0.0:0'), { host: '0.0.0.0', port: 0 });
  t.deepEqual(listenAddress('[::]:9464'), { host: '::', port: 9464 });
  for (const text of ['', 'host', '65536', '-1', ':9464', '::9464', 'a b:1', 'http://h:1', 'h:1/x'])
    t.throws(() => listenAddress(text), WRONG, text);
});

test('a rate may be a fraction, and is over 0', (t) => {
  t.is(positiveNumber('0.5'), 0.5);
  t.is(positiveNumber('20'), 20);
  for (const text of ['0', '-1', 'fast', '', 'Infinity']) t.throws(() => positiveNumber(text), WRONG, text);
});

test('a time is ISO 8601, or epoch milliseconds', (t) => {
  const at = Date.UTC(2026, 10, 24, 6);
  t.is(time('2026-11-24T06:00:00Z'), at);
  t.is(time('2026-11-24T07:00:00+01:00'), at);
  t.is(time('2026-11-24 06:00:00.000Z'), at);
  t.is(time('2026-11-24'), Date.UTC(2026, 10, 24));
  t.is(time(String(at)), at);
});

test('a time is how long ago', (t) => {
  for (const [text, ms] of [
    ['90s', 90_000],
    ['15m', 900_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
  ] as const) {
    const ago = Date.now() - time(text);
    t.true(ago >= ms && ago < ms + 10_000, text);
  }
});

test('what only looks like a time to JavaScript is none', (t) => {
  for (const text of [
    '5',
    'orders 1',
    '',
    'yesterday',
    '2026',
    '15',
    '15 m',
    '2026-13-45',
    '9'.repeat(20),
    '-5',
  ])
    t.throws(() => time(text), { ...WRONG, message: /^Expected a time .* or how long ago/ }, text);
});

test('a place is an offset, or a time', (t) => {
  t.is(place('0'), 0n);
  t.is(place('1402'), 1402n);
  t.is(place('99999999999'), 99_999_999_999n);
  t.is(place('offset:9223372036854775807'), 9_223_372_036_854_775_807n);
  t.deepEqual(place('1795500000000'), new Date(1_795_500_000_000));
  t.deepEqual(place('2026-11-24T06:00:00Z'), new Date(Date.UTC(2026, 10, 24, 6)));
  t.true(place('2h') instanceof Date);
  for (const text of ['', '-1', 'offset:', 'offset:x', 'end']) t.throws(() => place(text), WRONG, text);
});
