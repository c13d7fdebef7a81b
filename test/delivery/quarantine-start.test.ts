import test from 'ava';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { QuarantineInput } from '../../workflows/contract.js';
import {
  quarantineRequestOf,
  recordOf,
  type QuarantineCase,
} from '../../bridge/delivery/quarantine-start.js';
import type { RawHeaders, SourceRecord } from '../../bridge/record.js';
import { startRequestId } from '../../bridge/temporal/ids.js';
import { SCOPE, sourceRecord } from '../helpers/doubles/mapped-records.js';

const NOW = 1_800_000_000_000;

function caseOf(source: Partial<SourceRecord> = {}, fields: Partial<QuarantineCase> = {}): QuarantineCase {
  return {
    source: sourceRecord(source),
    reason: 'undecodable',
    message: 'not JSON',
    routeId: undefined,
    ...fields,
  };
}

/** The input as a worker gets it: through JSON. */
function inputOf(
  it: QuarantineCase,
  ...bytes: [Parameters<typeof quarantineRequestOf>[3]?]
): QuarantineInput {
  const [input] = quarantineRequestOf(it, SCOPE, NOW, ...bytes).args;
  return JSON.parse(JSON.stringify(input)) as QuarantineInput;
}

/** Every header with its bytes, whatever it is called. */
function entriesOf(headers: RawHeaders): [string, string | string[]][] {
  return Object.keys(headers)
    .sort()
    .map((name) => {
      const value = Object.getOwnPropertyDescriptor(headers, name)!.value as Buffer | Buffer[];
      return [name, Array.isArray(value) ? value.map((one) => one.toString('hex')) : value.toString('hex')];
    });
}

function headersOf(entries: readonly (readonly [string, Buffer | Buffer[]])[]): RawHeaders {
  const headers = Object.create(null) as Record<string, Buffer | Buffer[]>;
  for (const [name, value] of entries) headers[name] = value;
  return headers;
}

test('the quarantine is named by the coordinates, on our own queue, with what an operator reads', (t) => {
  const value = Buffer.from('{"id":');
  const request = quarantineRequestOf(caseOf({ offset: 42n, value }, { routeId: 'placed' }), SCOPE, NOW);
  t.like(request, {
    workflowId: 'ktb/orders/quarantine/orders/0/42@1700000000000',
    workflowType: 'ktbQuarantine',
    taskQueue: 'orders-ktb',
    labels: { record: 'orders/0/42', route: 'placed', offset: 42n },
    memo: { subscription: 'orders', route: 'placed', offset: '42', processedAt: NOW, reason: 'undecodable' },
  });
  t.is(request.requestId, startRequestId('orders', 'placed', sourceRecord({ offset: 42n }), value));
  t.deepEqual(request.args, [
    {
      subscription: 'orders',
      topic: 'orders',
      partition: 0,
      offset: '42',
      timestamp: 1_700_000_000_000,
      reason: 'undecodable',
      message: 'not JSON',
      route: 'placed',
      preview: '{"id":',
      valueBytes: 6,
      valueSha256: createHash('sha256').update(value).digest('hex'),
      raw: { key: null, value: value.toString('base64'), headers: {} },
    },
  ]);
});

test('the same record gives the same start again', (t) => {
  const { memo: _first, ...first } = quarantineRequestOf(caseOf(), SCOPE, 1);
  const { memo: _second, ...second } = quarantineRequestOf(caseOf(), SCOPE, 2);
  t.deepEqual(first, second);
});

test('a tombstone stays one, and an empty value too', (t) => {
  t.like(inputOf(caseOf({ value: null })), {
    preview: null,
    valueBytes: null,
    valueSha256: null,
    raw: { value: null },
  });
  t.is(recordOf(inputOf(caseOf({ value: null })))?.value, null);
  t.like(inputOf(caseOf({ value: Buffer.alloc(0) })), { preview: '', valueBytes: 0, raw: { value: '' } });
  t.deepEqual(recordOf(inputOf(caseOf({ value: Buffer.alloc(0) })))?.value, Buffer.alloc(0));
});

test('the preview is a thousand characters at most, whatever the bytes', (t) => {
  for (const value of [
    Buffer.alloc(100_000, 'ä'),
    Buffer.alloc(100_000, 0xff),
    Buffer.alloc(100_000, '😀'),
  ]) {
    const { preview, valueBytes } = inputOf(caseOf({ value }));
    t.true(preview!.length <= 1000);
    t.is(valueBytes, 100_000);
  }
});

test('with its bytes left out only coordinates and hash stay, and the date until which Kafka has it', (t) => {
  const value = Buffer.from('large');
  const input = inputOf(caseOf({ value }), { keptUntil: '2030-01-01T00:00:00.000Z' });
  t.is(input.raw, null);
  t.is(input.valueSha256, createHash('sha256').update(value).digest('hex'));
  t.is(input.keptUntil, '2030-01-01T00:00:00.000Z');
  t.is(recordOf(input), undefined);
  t.false('keptUntil' in inputOf(caseOf(), { keptUntil: undefined }));
});

test('headers of hostile names come back as they were, and touch no prototype', (t) => {
  const names = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '',
    'a\r\nb',
    '\0',
    '😀',
    '0',
    '-1',
  ];
  const headers = headersOf(names.map((name, index) => [name, Buffer.from([index, 0xff])]));
  const back = recordOf(inputOf(caseOf({ headers })))!;
  t.deepEqual(entriesOf(back.headers), entriesOf(headers));
  t.is(Object.keys(back.headers).length, names.length);
  t.is(({} as Record<string, unknown>)['polluted'], undefined);
  t.true(Object.hasOwn(back.headers, '__proto__'));
});

test('a header that stands several times does so again, in its order', (t) => {
  const headers = headersOf([['x', [Buffer.from('1'), Buffer.alloc(0), Buffer.from([0xfe])]]]);
  t.deepEqual(entriesOf(recordOf(inputOf(caseOf({ headers })))!.headers), [['x', ['31', '', 'fe']]]);
});

test("the header's key stands in the search attribute only where keys may stand there plain", (t) => {
  const headers = headersOf([['idempotency-key', [Buffer.from('old'), Buffer.from('k')]]]);
  const of = (keySearchAttribute: 'plain' | 'hash' | 'off') =>
    quarantineRequestOf(caseOf({ headers }), { ...SCOPE, keySearchAttribute }, NOW).labels.key;
  t.is(of('plain'), 'k');
  for (const form of ['hash', 'off'] as const) t.not(of(form), 'k');
});

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
// Kafka's header names are UTF-8: halves of surrogate pairs can't come.
const name = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('__proto__', 'constructor', 'length', 'toJSON', 'then', 'idempotency-key'),
);

test('whatever a record is made of comes back from its quarantine', (t) => {
  const headers = fc
    .array(fc.tuple(name, fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 4 }))), { maxLength: 6 })
    .map((entries) => headersOf(entries));
  const source = fc.record({
    topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,50}$/),
    partition: fc.nat(),
    offset: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
    timestampMs: fc.integer({ min: -1 }),
    key: fc.option(bytes, { nil: null }),
    value: fc.option(bytes, { nil: null }),
    headers,
  });
  fc.assert(
    fc.property(source, (record) => {
      const back = recordOf(inputOf(caseOf(record)))!;
      const plain = (one: typeof record) => ({
        ...one,
        key: one.key?.toString('hex') ?? null,
        value: one.value?.toString('hex') ?? null,
        headers: entriesOf(one.headers),
      });
      const { sizeBytes, ...others } = back;
      t.deepEqual(plain(others as typeof record), plain(record));
      return sizeBytes >= (record.key?.length ?? 0) + (record.value?.length ?? 0);
    }),
    { numRuns: 300 },
  );
});
