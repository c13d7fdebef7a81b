/** Our own bytes against kafkajs's, which brokers have taken for years. */
import { createRequire } from 'node:module';
import test from 'ava';
import fc from 'fast-check';
import { crc32c } from '../../bridge/producer/crc32c.js';
import { murmur2, Partitioner } from '../../bridge/producer/partitioner.js';
import { decodeProduce, encodeProduce } from '../../bridge/producer/produce-request.js';
import { encodeBatch, nextSequence } from '../../bridge/producer/record-batch.js';
import { decodeBody, encodeBody, keyOf } from '../../bridge/producer/record-body.js';

const require = createRequire(import.meta.url);
const theirCrc = require('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (bytes: Buffer) => number;
const theirMurmur = require('kafkajs/src/producer/partitioners/default/murmur2.js') as (
  bytes: Buffer,
) => number;
const Decoder = require('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object;
const decodeRecords = require('kafkajs/src/protocol/recordBatch/v0/decoder.js') as (
  decoder: object,
) => Promise<{
  readonly records: readonly Readonly<Record<string, unknown>>[];
  readonly producerId: string;
  readonly firstSequence: number;
}>;

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const parts = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 20 }), fc.option(bytes)), { maxLength: 5 }),
});

test('the checksum is the one of kafkajs', (t) => {
  fc.assert(fc.property(bytes, (one) => crc32c(one) === theirCrc(one)));
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283); // the standard's own check
});

test('the hash of a key is the one of kafkajs, and so of Java', (t) => {
  fc.assert(fc.property(bytes, (one) => murmur2(one) === theirMurmur(one)));
  t.is(murmur2(Buffer.from('21')), -973932308); // from Kafka's own tests
});

test('a record without a key takes its turn, one with a key its own partition', (t) => {
  const partitioner = new Partitioner();
  const body = (key: Buffer | null) => encodeBody({ key, value: null, headers: [] });
  const used = Array.from({ length: 160 }, () =>
    partitioner.partitionFor({ topic: 't', body: body(null) }, 5),
  );
  t.deepEqual(new Set(used), new Set([0, 1, 2, 3, 4]));
  const key = Buffer.from('k');
  const own = new Set(
    Array.from({ length: 50 }, () => partitioner.partitionFor({ topic: 't', body: body(key) }, 5)),
  );
  t.is(own.size, 1);
});

test("a record's parts come back as they were", (t) => {
  fc.assert(
    fc.property(parts, (one) => {
      const body = encodeBody(one);
      t.deepEqual(decodeBody(body), one);
      t.deepEqual(keyOf(body), one.key);
    }),
  );
  t.throws(() => decodeBody(Buffer.from([20, 1])));
});

test('kafkajs reads our batches: values, keys, headers, timestamps of any distance, sequence', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ parts, timestampMs: fc.integer({ min: 0, max: 4_000_000_000_000 }) }), {
        minLength: 1,
        maxLength: 20,
      }),
      async (list) => {
        const records = list.map((one) => ({ body: encodeBody(one.parts), timestampMs: one.timestampMs }));
        const sequence = { producerId: 2n ** 40n, producerEpoch: 3, first: 17 };
        const batch = await encodeBatch(records, sequence, undefined);
        const read = await decodeRecords(new Decoder(batch));
        t.deepEqual(
          read.records.map(({ key, value, timestamp, offset }) => [key, value, Number(timestamp), offset]),
          list.map((one, index) => [one.parts.key, one.parts.value, one.timestampMs, String(index)]),
        );
        t.like(read, { producerId: String(2n ** 40n), producerEpoch: 3, firstSequence: 17 });
      },
    ),
    { numRuns: 50 },
  );
});

test('the sequence goes on from 0 behind its end', (t) => {
  t.is(nextSequence(5, 10), 15);
  t.is(nextSequence(2 ** 31 - 1, 1), 0);
  t.is(nextSequence(2 ** 31 - 3, 5), 2);
  t.is(nextSequence(2 ** 31 - 11, 10), 2 ** 31 - 1);
});

test('a request names each topic once, and an answer is read for each partition', (t) => {
  const batch = Buffer.from('batch');
  const body = encodeProduce(
    [
      { topic: 'a', partition: 0, batch },
      { topic: 'b', partition: 1, batch },
      { topic: 'a', partition: 2, batch },
    ],
    1_000,
  );
  t.is(body.readInt32BE(8), 2);
  const answer = Buffer.alloc(4 + 3 + 4 + 30 + 4);
  let at = answer.writeInt32BE(1, 0);
  at = answer.writeInt16BE(1, at);
  at += answer.write('a', at);
  at = answer.writeInt32BE(1, at);
  at = answer.writeInt32BE(7, at);
  at = answer.writeInt16BE(6, at);
  at = answer.writeBigInt64BE(99n, at);
  answer.writeBigInt64BE(-1n, at);
  t.deepEqual(decodeProduce(answer), [
    { topic: 'a', partition: 7, errorCode: 6, baseOffset: 99n, appendedAtMs: -1 },
  ]);
});
