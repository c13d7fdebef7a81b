import test from 'ava';
import { headersOf, type MessageHeaders } from '../../bridge/producer/headers.js';
import { Tracer } from '../../bridge/producer/trace.js';

const facts = { timestampMs: 1_700_000_000_000, eventType: undefined as string | undefined };
const none = new Tracer(undefined);
const of = (given: unknown, tracer = none, more = facts): [string, string][] =>
  headersOf(given as MessageHeaders, more, tracer.active()).map(([name, value]) => [name, String(value)]);
const own = (given: unknown): [string, string][] =>
  of(given).filter(([name]) => !/^(?:idempotency-key|trace-id|traceparent|timestamp)$/.test(name));

test('what is missing is set, what is given stays', (t) => {
  const names = of({}).map(([name]) => name);
  t.deepEqual(names, ['idempotency-key', 'traceparent', 'trace-id', 'timestamp']);
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  t.deepEqual(of({ 'idempotency-key': 'mine', traceparent, timestamp: 'then', 'event-type': 'mine' }), [
    ['idempotency-key', 'mine'],
    ['traceparent', traceparent],
    ['timestamp', 'then'],
    ['event-type', 'mine'],
    ['trace-id', 'a'.repeat(32)],
  ]);
  t.deepEqual(of({}, none, { ...facts, eventType: 'order.placed' })[0], ['event-type', 'order.placed']);
});

test('a given header without a value is missing', (t) => {
  const headers = new Map(of({ 'idempotency-key': null, timestamp: undefined }));
  t.regex(headers.get('idempotency-key')!, /^[0-9a-f-]{36}$/);
  t.is(headers.get('timestamp'), '1700000000000');
});

test('two records have two keys and two traces', (t) => {
  const [first, second] = [new Map(of({})), new Map(of({}))];
  for (const name of ['idempotency-key', 'trace-id', 'traceparent'])
    t.not(first.get(name), second.get(name), name);
});

test('the trace is the active one of OpenTelemetry, and a propagator that throws stops nothing', (t) => {
  const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  const api = {
    context: { active: () => 'context' },
    propagation: {
      inject: (_context: unknown, carrier: { traceparent?: string }) => {
        carrier.traceparent = traceparent;
      },
    },
  };
  const headers = new Map(of({}, new Tracer(api)));
  t.is(headers.get('traceparent'), traceparent);
  t.is(headers.get('trace-id'), '1'.repeat(32));
  const broken = {
    ...api,
    propagation: {
      inject: () => {
        throw new Error('no');
      },
    },
  };
  t.regex(new Map(of({}, new Tracer(broken))).get('traceparent')!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test('odd values: nothing throws, nothing forges a line', (t) => {
  t.deepEqual(
    own({
      none: null,
      undef: undefined,
      number: 7,
      big: 2n ** 70n,
      no: false,
      date: new Date(0),
      invalid: new Date(Number.NaN),
      object: { a: 1 },
      several: ['a', null, 2, Buffer.from('b')],
      empty: [],
      text: 'a\r\nb\u0000c',
      'na\nme': 'x',
      '': 'nameless',
    }),
    [
      ['number', '7'],
      ['big', '1180591620717411303424'],
      ['no', 'false'],
      ['date', '1970-01-01T00:00:00.000Z'],
      ['object', '{"a":1}'],
      ['several', 'a'],
      ['several', '2'],
      ['several', 'b'],
      ['text', 'a b c'],
      ['na me', 'x'],
    ],
  );
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  t.deepEqual(own({ circular, symbol: Symbol('s'), fn: () => 1 }), []);
});

test('bytes stay as they are', (t) => {
  const bytes = Buffer.from([0, 13, 10, 255]);
  t.deepEqual(headersOf({ bytes }, facts, none.active())[0], ['bytes', bytes]);
  t.deepEqual(headersOf({ bytes: new Uint8Array(bytes) }, facts, none.active())[0], ['bytes', bytes]);
});
