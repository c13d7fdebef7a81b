import test from 'ava';
import type { ActivityRoute } from '../../bridge/config/types.js';
import { LONGEST_DELAY_MS } from '../../bridge/intake/due-time.js';
import { delivered, mapperOf, record, route, verdict, type RecordFields } from './records.js';

/** The records' own timestamp, and some. */
const NOW = 1_700_000_000_000;
const LATER = NOW + 60_000;
const at = (ms: number): string => new Date(ms).toISOString();

const mapAt = (nowMs: number, fields: RecordFields, routeFields: Partial<ActivityRoute> = {}) =>
  mapperOf([route({ id: 'r', ...routeFields })], {}, () => nowMs).map(record(fields));

const header = (value: string): RecordFields => ({ headers: { 'not-before': value } });

const reason = async (fields: RecordFields, routeFields: Partial<ActivityRoute> = {}): Promise<string> => {
  const mapped = await mapAt(NOW, fields, routeFields);
  if (mapped.kind !== 'quarantine' || mapped.reason !== 'invalid-delay')
    throw new Error(`Expected a quarantine for its delay, got ${JSON.stringify(verdict(mapped))}`);
  return mapped.message;
};

test('a header `not-before` is epoch milliseconds or ISO 8601', async (t) => {
  const times = [
    String(LATER),
    ` ${LATER} `,
    at(LATER),
    '2023-11-14T22:14:20Z',
    '2023-11-14T23:14:20.000+01:00',
    '2023-11-14T20:14:20-0200',
  ];
  for (const text of times) t.is(delivered(await mapAt(NOW, header(text))).notBeforeMs, LATER, text);
});

test('without one, or with an empty one, the execution begins at once', async (t) => {
  t.is(delivered(await mapAt(NOW, {})).notBeforeMs, undefined);
  t.is(delivered(await mapAt(NOW, header(''))).notBeforeMs, undefined);
  for (const value of [null, undefined, ''])
    t.is(delivered(await mapAt(NOW, {}, { notBefore: () => value })).notBeforeMs, undefined);
});

test("a route's `notBefore` is a pointer or a function, and then the header says nothing", async (t) => {
  const fields = { value: { due: LATER }, headers: { 'not-before': String(LATER + 5) } };
  t.is(delivered(await mapAt(NOW, fields, { notBefore: '/due' })).notBeforeMs, LATER);
  t.is(delivered(await mapAt(NOW, fields, { notBefore: '/missing' })).notBeforeMs, undefined);
  const functions = [() => at(LATER), () => new Date(LATER), (event: { due: number }) => event.due];
  for (const notBefore of functions)
    t.is(delivered(await mapAt(NOW, fields, { notBefore })).notBeforeMs, LATER);
});

test('what can not be read as a time is quarantined, and the reason says what was expected and what came', async (t) => {
  const expected = 'a time in epoch milliseconds or ISO 8601 with its offset';
  for (const text of [
    'soon',
    'NaN',
    '-5',
    '1e3',
    '2023-11-14',
    '2023-11-14T22:14:20',
    '2023-99-14T22:14:20Z',
  ]) {
    t.is(
      await reason(header(text)),
      `Expected header \`not-before\` to be ${expected}, got ${JSON.stringify(text)}`,
    );
  }
  const values = [NaN, -1, Infinity, true, {}, [], new Date(NaN)];
  for (const value of values)
    t.regex(await reason({}, { notBefore: () => value as never }), /^Expected the route's .* got /);
  t.is(
    await reason({ value: { due: { in: '5 minutes' } } }, { notBefore: '/due' }),
    `Expected the event to have at "/due" ${expected}, got an object`,
  );
});

test('a function that throws, or is async, is quarantined', async (t) => {
  const throws = () => {
    throw new Error('no due date');
  };
  t.is(await reason({}, { notBefore: throws }), "The route's `notBefore` function failed: no due date");
  const rejects = () => Promise.reject(new Error('unhandled')) as never;
  t.regex(await reason({}, { notBefore: rejects }), /got a promise: it must be synchronous$/);
});

test('seconds are taken for a mistake, and so is more than 366 days ahead', async (t) => {
  t.regex(await reason(header('1700000060')), /got 1700000060, which looks like seconds$/);
  t.is(
    delivered(await mapAt(NOW, header(String(NOW + LONGEST_DELAY_MS)))).notBeforeMs,
    NOW + LONGEST_DELAY_MS,
  );
  t.regex(
    await reason(header(String(NOW + LONGEST_DELAY_MS + 1))),
    /a time at most 366 days ahead, got "\d+"$/,
  );
});

test('a record older than `maxAgeMs` is expired, and one just as old is not', async (t) => {
  t.is((await mapAt(NOW + 1000, {}, { maxAgeMs: 1000 })).kind, 'deliver');
  const mapped = await mapAt(NOW + 1001, {}, { maxAgeMs: 1000 });
  t.is(mapped.kind, 'expired');
  t.is(
    mapped.kind === 'expired' ? mapped.message : '',
    'Expected a record of at most 1000 ms of age (`maxAgeMs`), got one of 1001 ms',
  );
});

test('its age counts from `not-before`, where that is later', async (t) => {
  t.is((await mapAt(LATER + 500, header(String(LATER)), { maxAgeMs: 1000 })).kind, 'deliver');
  t.is((await mapAt(LATER + 1500, header(String(LATER)), { maxAgeMs: 1000 })).kind, 'expired');
  t.is((await mapAt(NOW + 1500, header(String(NOW - 60_000)), { maxAgeMs: 1000 })).kind, 'expired');
});

test('an old record is made visible by `onExpired`', async (t) => {
  const mapped = await mapAt(NOW + 1001, {}, { maxAgeMs: 1000, onExpired: 'quarantine' });
  t.like(mapped, { kind: 'quarantine', reason: 'expired' });
});

test('a record that the filter passes by is filtered, however old it is or wrong its delay', async (t) => {
  const filter = (): boolean => false;
  t.is((await mapAt(NOW + 1001, header('soon'), { maxAgeMs: 1000, filter })).kind, 'filtered');
});

test('a record without a timestamp does not expire', async (t) => {
  const mapper = mapperOf([route({ maxAgeMs: 1000 })], {}, () => NOW);
  t.is((await mapper.map({ ...record(), timestampMs: -1 })).kind, 'deliver');
});
