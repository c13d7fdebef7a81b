import anyTest from 'ava';
import type { ExecutionContext, TestFn } from 'ava';
import type { SchemaRegistryDecoder } from '../../../bridge/config/types.js';
import { createDecoder } from '../../../bridge/intake/decoders/index.js';
import { RegistryServer } from './registry-server.js';
import type { Mood } from './registry-server.js';

const ORDER_AVRO = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'orderId', type: 'string' },
    { name: 'amount', type: 'long' },
  ],
};
const ORDER_JSON = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  'connect.name': 'a keyword that only some registries know',
  properties: { orderId: { type: 'string', format: 'some-format' }, amount: { type: 'integer' } },
  required: ['orderId'],
};
const ORDER_PROTO = `
  syntax = "proto3";
  package shop;
  import "google/protobuf/timestamp.proto";
  message Order { string order_id = 1; int64 cents = 2; bytes blob = 3; google.protobuf.Timestamp placed_at = 4; State state = 5;
    enum State { NEW = 0; PAID = 1; } }
  enum Unrelated { NONE = 0; }
  message Refund { string refund_id = 1; message Line { uint32 number = 1; } }
`;
const NODE_AVRO = { type: 'record', name: 'Node', fields: [{ name: 'next', type: ['null', 'Node'] }] };

const SCHEMAS = {
  '/schemas/ids/1': { schema: JSON.stringify(ORDER_AVRO) },
  '/schemas/ids/2': { schemaType: 'JSON', schema: JSON.stringify(ORDER_JSON) },
  '/schemas/ids/3': { schemaType: 'PROTOBUF', schema: ORDER_PROTO },
  '/schemas/ids/4': { schema: '{"type":"no such type"}' },
  '/schemas/ids/5': { schema: JSON.stringify(NODE_AVRO) },
  '/schemas/ids/6': {
    schema: JSON.stringify({ type: 'record', name: 'Box', fields: [{ name: 'order', type: 'shop.Order' }] }),
    references: [{ name: 'shop.Order', subject: 'order', version: 1 }],
  },
  '/schemas/ids/7': { schemaType: 'XML', schema: '<a/>' },
  '/schemas/ids/4294967295': { schema: JSON.stringify(ORDER_AVRO) },
  '/subjects/order/versions/1': { id: 1, subject: 'order', version: 1, schema: JSON.stringify(ORDER_AVRO) },
};

interface Context {
  server: RegistryServer;
  url: string;
  decode: (hex: string) => Promise<unknown>;
}
const test = anyTest as TestFn<Context>;

function decoderOf(option: Omit<SchemaRegistryDecoder, 'type'>): (hex: string) => Promise<unknown> {
  const decoder = createDecoder({ type: 'schema-registry', ...option });
  const context = { topic: 'orders', partition: 0, headers: {}, key: null };
  return async (hex) => decoder(Buffer.from(hex.replaceAll(' ', ''), 'hex'), context);
}

test.beforeEach(async (t) => {
  const server = new RegistryServer(SCHEMAS);
  const url = await server.listen();
  t.context = { server, url, decode: decoderOf({ url }) };
});
test.afterEach.always((t) => t.context.server.close());

// Golden bytes: magic 00, the schema's ID, then the payload.
const AVRO = '00 00000001 04 4131 0e';
const JSON_SCHEMA = `00 00000002 ${Buffer.from('{"orderId":"A1","amount":7}').toString('hex')}`;
const PROTOBUF = '00 00000003 00 0a024131 1007';

test('the golden bytes of Avro decode', async (t) => {
  t.deepEqual({ ...((await t.context.decode(AVRO)) as object) }, { orderId: 'A1', amount: 7 });
  t.deepEqual(
    { ...((await t.context.decode('00 ffffffff 04 4131 0e')) as object) },
    { orderId: 'A1', amount: 7 },
  );
});

test('an Avro schema that refers to another decodes', async (t) => {
  t.deepEqual(JSON.parse(JSON.stringify(await t.context.decode('00 00000006 04 4131 0e'))), {
    order: { orderId: 'A1', amount: 7 },
  });
});

test('the golden bytes of JSON Schema decode, and are validated', async (t) => {
  t.deepEqual(await t.context.decode(JSON_SCHEMA), { orderId: 'A1', amount: 7 });
  const poison = `00 00000002 ${Buffer.from('{"amount":7}').toString('hex')}`;
  await t.throwsAsync(t.context.decode(poison), { message: /^Expected a value that fits schema 2, but / });
});

test('the golden bytes of Protobuf decode', async (t) => {
  t.deepEqual(await t.context.decode(PROTOBUF), { orderId: 'A1', cents: '7' });
  t.deepEqual(await t.context.decode('00 00000003 0200 0a024131 1007'), { orderId: 'A1', cents: '7' });
  t.deepEqual(await t.context.decode('00 00000003 00 1a0101 22020805 2801'), {
    blob: 'AQ==',
    placedAt: { seconds: '5' },
    state: 'PAID',
  });
});

test('an empty Protobuf message is a message', async (t) => {
  t.deepEqual(await t.context.decode('00 00000003 00'), {});
});

test('the message indexes of Protobuf choose the type', async (t) => {
  t.deepEqual(await t.context.decode('00 00000003 0202 0a025231'), { refundId: 'R1' });
  t.deepEqual(await t.context.decode('00 00000003 040200 0809'), { number: 9 });
});

async function isPoison(t: ExecutionContext<Context>, hex: string, message: RegExp): Promise<void> {
  t.like(await t.throwsAsync(t.context.decode(hex), { code: 'KTB_RECORD', message }), { retryable: false });
}

async function isSystemic(t: ExecutionContext<Context>, message: RegExp): Promise<void> {
  t.like(await t.throwsAsync(t.context.decode(AVRO), { code: 'KTB_RECORD', message }), { retryable: true });
}

test('what is not the wire format is poison, and costs no request', async (t) => {
  await isPoison(t, '', /got a value of 0 bytes$/);
  await isPoison(t, '00000000', /got a value of 4 bytes$/);
  await isPoison(t, '7b22613a317d', /begins with 0x7b$/);
  t.deepEqual(t.context.server.requests, []);
});

test('an unknown schema is poison', async (t) => {
  await isPoison(t, '00 00000063 00', /answers 404 to \/schemas\/ids\/99: Schema not found$/);
});

test('a payload that does not fit its schema is poison', async (t) => {
  await isPoison(t, '00 00000001 ff', /^Can't decode the value with schema 1: /);
  await isPoison(t, '00 00000003 00 0a05', /^Can't decode the value with schema 3: /);
  await isPoison(t, '00 00000003', /^Expected the indexes of a Protobuf message/);
  await isPoison(t, '00 00000003 0208 00', /^Expected a message of the schema, got the index 4$/);
  await isPoison(t, '00 00000003 ffffffffff', /^Expected the indexes of a Protobuf message/);
  await isPoison(t, '00 00000002 ff', /not UTF-8$/);
});

test('a schema that no decoder takes is poison', async (t) => {
  await isPoison(t, '00 00000004 00', /^Can't decode the value with schema 4: /);
  await isPoison(t, '00 00000007 00', /^Can't decode the value with schema 7: /);
});

test('a deep nesting in Avro is poison', async (t) => {
  await isPoison(t, `00 00000005 ${'02'.repeat(2_000)}00`, /at most 1000 levels|call stack/);
  await isPoison(t, `00 00000005 ${'02'.repeat(500_000)}00`, /at most 1000 levels|call stack/);
});

const FAULTS: readonly (readonly [string, Mood, RegExp])[] = [
  ['500', { status: 500 }, /answers 500 .*Error in the backend$/],
  ['503 with a page', { status: 503, body: '<html>' }, /answers 503/],
  ['500 with null', { status: 500, body: 'null' }, /answers 500/],
  ['429', { status: 429 }, /answers 429/],
  ['401', { status: 401 }, /answers 401/],
  ['200 with a page', { status: 200, body: '<html>' }, /answers 200 .*without a schema$/],
  ['an answer that breaks off', 'broken', /doesn't answer/],
];

for (const [what, mood, message] of FAULTS) {
  test(`${what} is systemic, not retried here, and forgotten when the registry is back`, async (t) => {
    t.context.server.mood = mood;
    await isSystemic(t, message);
    t.is(t.context.server.requests.length, 1);
    t.context.server.mood = 'well';
    t.like(await t.context.decode(AVRO), { orderId: 'A1' });
  });
}

test('a registry that is silent is systemic after the time-out', async (t) => {
  t.context.server.mood = 'silent';
  t.context.decode = decoderOf({ url: t.context.url, timeoutMs: 200 });
  await isSystemic(t, /no answer in 200 ms$/);
});

test('a registry that is away is systemic, and works again when it is back', async (t) => {
  await t.context.server.close();
  await isSystemic(t, /doesn't answer: connect ECONNREFUSED/);
  t.context.server = new RegistryServer(SCHEMAS);
  await t.context.server.listen(Number(new URL(t.context.url).port));
  t.like(await t.context.decode(AVRO), { orderId: 'A1' });
});

test('a schema is asked for once, an unknown one each time', async (t) => {
  await Promise.all([t.context.decode(AVRO), t.context.decode(AVRO)]);
  await t.context.decode(AVRO);
  t.deepEqual(t.context.server.requests, ['/schemas/ids/1']);
  await t.throwsAsync(t.context.decode('00 00000063 00'));
  await t.throwsAsync(t.context.decode('00 00000063 00'));
  t.is(t.context.server.requests.length, 3);
});

test('what was cached is used while the registry is away', async (t) => {
  await t.context.decode(AVRO);
  t.context.server.mood = { status: 500 };
  t.like(await t.context.decode(AVRO), { orderId: 'A1' });
});

test('credentials are sent, also from the URL, and stand in no message', async (t) => {
  const { server, url } = t.context;
  const basic = `Basic ${Buffer.from('u:canary-7f3a').toString('base64')}`;
  await decoderOf({ url, auth: { username: 'u', password: 'canary-7f3a' } })(AVRO);
  t.is(server.authorization, basic);
  const decode = decoderOf({ url: url.replace('//', '//u:canary-7f3a@') });
  await decode(AVRO);
  t.is(server.authorization, basic);
  server.mood = { status: 500 };
  const error = await t.throwsAsync(decode('00 00000002 7b7d'));
  t.false(`${error?.stack}`.includes('canary'));
});
