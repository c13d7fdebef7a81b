import test from 'ava';
import fc from 'fast-check';
import {
  cloudEventKey,
  cloudEventOf,
  decodeCloudEvent,
} from '../../../bridge/intake/decoders/cloudevents.js';
import { record } from '../records.js';
import type { RecordFields } from '../records.js';

const ATTRIBUTES = { ce_specversion: '1.0', ce_id: 'A1', ce_source: '/orders', ce_type: 'order.placed' };
const decode = (fields: RecordFields): unknown => {
  const one = record(fields);
  return decodeCloudEvent(one.value!, one);
};
const binary = (contentType: string, value: unknown): Record<string, unknown> =>
  decode({ value, headers: { ...ATTRIBUTES, 'content-type': contentType } }) as Record<string, unknown>;

test('binary mode: the headers are the attributes, the value is the data', (t) => {
  t.deepEqual(
    decode({
      value: { total: 5 },
      headers: {
        ...ATTRIBUTES,
        ce_tenant: 'x',
        other: 'y',
        'content-type': 'application/json; charset=utf-8',
      },
    }),
    {
      specversion: '1.0',
      id: 'A1',
      source: '/orders',
      type: 'order.placed',
      tenant: 'x',
      datacontenttype: 'application/json; charset=utf-8',
      data: { total: 5 },
    },
  );
});

test('binary mode: the content type says what the data is', (t) => {
  t.deepEqual(binary('application/vnd.x+json', '[1]')['data'], [1]);
  t.is(binary('text/plain', 'hello')['data'], 'hello');
  t.is(binary('text/plain; charset="iso-8859-1"', Buffer.from([0xfc]))['data'], 'ü');
  t.is(binary('application/xml', '<a/>')['data'], '<a/>');
  t.is(binary('application/octet-stream', Buffer.from([1, 2]))['data_base64'], 'AQI=');
  t.deepEqual((decode({ value: '{"a":1}', headers: ATTRIBUTES }) as { data: unknown }).data, { a: 1 });
});

test('binary mode: an empty value is an event without data', (t) => {
  t.false('data' in binary('application/json', ''));
});

test('structured mode: the value is the event', (t) => {
  const event = { specversion: '1.0', id: 'A1', source: '/orders', type: 'order.placed', data: { total: 5 } };
  t.deepEqual(
    decode({ value: event, headers: { 'content-type': 'application/cloudevents+json; charset=UTF-8' } }),
    event,
  );
});

test('what lacks an attribute is no CloudEvent', (t) => {
  const { ce_id: _, ...withoutId } = ATTRIBUTES;
  t.throws(() => decode({ headers: withoutId }), {
    message: 'Expected a CloudEvent, got a record without the header `ce_id`',
  });
  t.throws(
    () => decode({ value: { id: 'x' }, headers: { 'content-type': 'application/cloudevents+json' } }),
    {
      message: 'Expected a CloudEvent, got a value without `specversion`, `source`, `type`',
    },
  );
  for (const value of ['null', '[]', '5']) {
    t.throws(() => decode({ value, headers: { 'content-type': 'application/cloudevents+json' } }), {
      code: 'KTB_RECORD',
    });
  }
});

test('batches and other formats of events are refused', (t) => {
  t.throws(() => binary('application/cloudevents-batch+json', '[]'), {
    message: /got application\/cloudevents-batch\+json$/,
  });
});

test('data that is not what its content type says is refused', (t) => {
  t.throws(() => binary('application/json', 'x'), { message: /^Expected JSON/ });
  t.throws(() => binary('text/plain', Buffer.from([0xff])), {
    message: 'Expected text in utf-8, got other bytes',
  });
  t.throws(() => binary('text/plain; charset=klingon', 'x'), {
    message: 'Expected a known charset, got "klingon"',
  });
});

test('an attribute called __proto__ or data harms nothing', (t) => {
  const event = decode({
    value: '1',
    headers: { ...ATTRIBUTES, ['ce___proto__']: 'x', ce_data: 'y' },
  }) as Record<string, unknown>;
  t.is(Object.getPrototypeOf(event), Object.prototype);
  t.is(event['data'], 1);
});

test('an event has the same key in both modes', (t) => {
  const structured = { 'content-type': 'application/cloudevents+json' };
  t.deepEqual(cloudEventOf(record({ headers: ATTRIBUTES })), {
    source: '/orders',
    id: 'A1',
    type: 'order.placed',
  });
  t.deepEqual(
    cloudEventOf(record({ headers: structured }), { source: '/orders', id: 'A1', type: 'order.placed' }),
    { source: '/orders', id: 'A1', type: 'order.placed' },
  );
  t.is(cloudEventKey({ source: '/orders', id: 'A1', type: undefined }), '/orders#A1');
});

test('two different pairs of source and ID never have one key', (t) => {
  const part = fc.string({ unit: fc.constantFrom('a', '#', '%', '2', '3', '5'), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(part, part, part, part, (source, id, otherSource, otherId) => {
      const same = source === otherSource && id === otherId;
      return (
        same ===
        (cloudEventKey({ source, id, type: '' }) ===
          cloudEventKey({ source: otherSource, id: otherId, type: '' }))
      );
    }),
    { numRuns: 5_000 },
  );
  t.pass();
});
