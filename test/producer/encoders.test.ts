import test from 'ava';
import fc from 'fast-check';
import type { BridgeError } from '../../bridge/errors.js';
import { createDecoder } from '../../bridge/intake/decoders/index.js';
import { createEncoder } from '../../bridge/producer/encoders/index.js';
import type { EncoderOption } from '../../bridge/producer/producer-options.js';
import { RegistryServer } from '../intake/decoders/registry-server.js';

const context = { topic: 't', key: null, headers: {} };

/** Encoded, then decoded by the decoder of the same name. */
async function thereAndBack(
  option: 'json' | 'text' | 'bytes' | 'cloudevents',
  event: unknown,
): Promise<unknown> {
  const { value, headers = [] } = await createEncoder(option)(event, context);
  return createDecoder(option)(value!, {
    topic: 't',
    partition: 0,
    key: null,
    headers: Object.fromEntries(headers as [string, Buffer][]),
  });
}

test('what an encoder writes its decoder reads', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (event) => {
      t.deepEqual(await thereAndBack('json', event), JSON.parse(JSON.stringify(event)));
    }),
  );
  t.is(await thereAndBack('text', 'ä\n'), 'ä\n');
  t.deepEqual(await thereAndBack('bytes', Buffer.from([1, 255])), Buffer.from([1, 255]));
  const event = { specversion: '1.0', id: 'A1', source: '/orders', type: 'order.placed', tenant: 'x' };
  for (const data of [
    { datacontenttype: 'application/json', data: { total: 5 } },
    { datacontenttype: 'text/plain', data: 'hello' },
    { datacontenttype: 'application/octet-stream', data_base64: 'AQI=' },
    {},
  ])
    t.deepEqual(await thereAndBack('cloudevents', { ...event, ...data }), { ...event, ...data });
});

test("a CloudEvent's type is the event type", async (t) => {
  const event = { specversion: '1.0', id: '1', source: '/s', type: 'order.placed' };
  t.is((await createEncoder('cloudevents')(event, context)).eventType, 'order.placed');
});

const REFUSED: readonly [EncoderOption, unknown, RegExp][] = [
  ['json', undefined, /^Expected an event that is JSON, got undefined$/],
  ['json', 1n, /^Expected an event that is JSON, got one that is not: /],
  ['text', 5, /^Expected an event that is a string, got number$/],
  ['text', '\ud800', /^Expected text, got a lone surrogate in it$/],
  ['bytes', 'text', /^Expected an event that is bytes, got string$/],
  ['cloudevents', 5, /^Expected a CloudEvent, got number$/],
  [
    'cloudevents',
    { id: '1' },
    /^Expected a CloudEvent, got a value without `specversion`, `source`, `type`$/,
  ],
];

for (const [index, [option, event, message]] of REFUSED.entries()) {
  test(`an event that can't be encoded is said by name: ${index}`, async (t) => {
    await t.throwsAsync(async () => createEncoder(option)(event, context), { code: 'KTB_RECORD', message });
  });
}

test('a function may give text, bytes or a tombstone, at once or later', async (t) => {
  t.deepEqual((await createEncoder(() => 'text')(1, context)).value, Buffer.from('text'));
  t.deepEqual((await createEncoder(async () => new Uint8Array([7]))(1, context)).value, Buffer.from([7]));
  t.is((await createEncoder(() => null)(1, context)).value, null);
});

test('by a schema of the registry: what it writes the decoder reads; a misfit is refused, an outage is retryable', async (t) => {
  const schema = { type: 'record', name: 'Order', fields: [{ name: 'total', type: 'int' }] };
  const server = new RegistryServer({ '/schemas/ids/5': { schema: JSON.stringify(schema) } });
  const url = await server.listen();
  t.teardown(() => server.close());
  const encode = createEncoder({ type: 'schema-registry', url, schemaId: 5 });
  const { value } = await encode({ total: 7 }, context);
  const decode = createDecoder({ type: 'schema-registry', url });
  t.like(await decode(value!, { topic: 't', partition: 0, key: null, headers: {} }), { total: 7 });
  await t.throwsAsync(async () => encode({ total: 'seven' }, context), {
    code: 'KTB_RECORD',
    message: /^Can't encode the event with schema 5: /,
  });
  server.mood = { status: 503 };
  const cold = createEncoder({ type: 'schema-registry', url, schemaId: 6 });
  const error = await t.throwsAsync(async () => cold({ total: 7 }, context), { code: 'KTB_RECORD' });
  t.true((error as BridgeError).retryable);
});
