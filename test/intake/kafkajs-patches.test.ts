/** What we reach into kafkajs for: these fail when a new version of it no longer holds to it. */
import { createRequire } from 'node:module';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as zlib from 'node:zlib';
import test from 'ava';
import kafkajs from 'kafkajs';
import { NOT_RUNNING, patchKafkajs, UNREADABLE_HEADER } from '../../bridge/intake/kafkajs-patches.js';

const require = createRequire(import.meta.url);
const MAX_BYTES = 1024 * 1024;
const { CompressionTypes, CompressionCodecs } = kafkajs;

interface Encoder {
  readonly buffer: Buffer;
}
interface KafkaRecord {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer>>;
}
type BatchFields = Readonly<Record<string, unknown>>;

const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => object;
const Long = require('kafkajs/src/utils/long') as { fromInt(value: number): unknown };
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(fields: BatchFields): Promise<Encoder>;
};
const decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
  decoder: object,
) => Promise<{ readonly records: readonly KafkaRecord[] }>;
const recordOf = require('kafkajs/src/protocol/recordBatch/record/v0') as (fields: BatchFields) => Encoder;
const RequestQueue = require('kafkajs/src/network/requestQueue/index.js') as {
  new (options: object): {
    pending: unknown[];
    scheduleCheckPendingRequests(): void;
    throttleCheckTimeoutId: unknown;
    destroy(): void;
  };
  prototype: object;
};

patchKafkajs(MAX_BYTES);

function valuesOf(count: number, size = 10): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.alloc(size, index % 251));
}

/** A batch as a broker sends it, by kafkajs's own encoder. */
async function encode(compression: number, values: readonly Buffer[], firstOffset = 100): Promise<Buffer> {
  const records = values.map((value, offsetDelta) =>
    recordOf({ offsetDelta, timestampDelta: 0, key: null, value, headers: { a: 'b' } }),
  );
  const batch = await RecordBatch({
    compression,
    firstOffset: Long.fromInt(firstOffset),
    firstTimestamp: 1000,
    maxTimestamp: 1000,
    lastOffsetDelta: values.length - 1,
    records,
  });
  return batch.buffer;
}

async function decode(batch: Buffer): Promise<readonly KafkaRecord[]> {
  // In a fetch response it stands somewhere in a larger buffer.
  const response = Buffer.concat([Buffer.alloc(77, 0xee), batch, Buffer.alloc(33, 0xee)]);
  const { records } = await decodeBatch(new Decoder(response.subarray(77, 77 + batch.length)));
  return records;
}

/** The same batch with other bytes where its compressed records stand. */
function withRecords(batch: Buffer, records: Buffer): Buffer {
  const HEADER = 61; // up to and including the count of records
  const replaced = Buffer.concat([batch.subarray(0, HEADER), records]);
  replaced.writeInt32BE(replaced.length - 12, 8);
  return replaced;
}

function reasonsOf(records: readonly KafkaRecord[]): (string | undefined)[] {
  return records.map(({ headers }) => headers[UNREADABLE_HEADER]?.toString());
}

test('the patched method of the request queue is still there', (t) => {
  t.is(
    typeof (RequestQueue.prototype as { scheduleCheckPendingRequests?: unknown })
      .scheduleCheckPendingRequests,
    'function',
  );
});

test('with nothing pending no timer is armed, and with something pending one is', (t) => {
  const queue = new RequestQueue({
    instrumentationEmitter: null,
    maxInFlightRequests: 1,
    requestTimeout: 1000,
    clientId: 'c',
    broker: 'b',
    enforceRequestTimeout: false,
    logger: { namespace: () => ({ debug: () => undefined, warn: () => undefined, error: () => undefined }) },
    isConnected: () => true,
  });
  t.true('throttleCheckTimeoutId' in queue, "kafkajs's own name for its timer");
  queue.scheduleCheckPendingRequests();
  t.falsy(queue.throttleCheckTimeoutId);
  queue.pending.push({ sendRequest: () => undefined });
  queue.scheduleCheckPendingRequests();
  t.truthy(queue.throttleCheckTimeoutId);
  clearTimeout(queue.throttleCheckTimeoutId as NodeJS.Timeout);
});

test('patched twice it stays as it is', (t) => {
  const before = (RequestQueue.prototype as { scheduleCheckPendingRequests: unknown })
    .scheduleCheckPendingRequests;
  patchKafkajs(MAX_BYTES);
  t.is(
    (RequestQueue.prototype as { scheduleCheckPendingRequests: unknown }).scheduleCheckPendingRequests,
    before,
  );
});

const known: [string, number][] = [
  ['none', CompressionTypes.None],
  ['gzip', CompressionTypes.GZIP],
  ['snappy', CompressionTypes.Snappy],
  ...('zstdCompressSync' in zlib ? [['zstd', CompressionTypes.ZSTD] as [string, number]] : []),
];

for (const [name, type] of known) {
  test(`${name}: what is packed is unpacked, record by record`, async (t) => {
    const values = valuesOf(7, 1000);
    const records = await decode(await encode(type, values));
    t.deepEqual(
      records.map(({ value }) => value),
      values,
    );
    t.deepEqual(
      records.map(({ offset }) => offset),
      ['100', '101', '102', '103', '104', '105', '106'],
    );
    t.is(records[0]?.headers['a']?.toString(), 'b');
    t.deepEqual(
      reasonsOf(records),
      values.map(() => undefined),
    );
  });

  if (type === CompressionTypes.None) continue;

  test(`${name}: a bomb is capped, and its records go on as unreadable ones, each at its offset`, async (t) => {
    const packed = await encode(type, valuesOf(5, 4 * MAX_BYTES));
    t.true(packed.length < MAX_BYTES, `${packed.length} bytes`);
    const before = process.memoryUsage().arrayBuffers;
    const records = await decode(packed);
    t.true(process.memoryUsage().arrayBuffers - before < 8 * MAX_BYTES);
    t.deepEqual(
      records.map(({ offset }) => offset),
      ['100', '101', '102', '103', '104'],
    );
    for (const { key, value } of records) t.deepEqual([key, value], [null, null]);
    for (const reason of reasonsOf(records)) t.regex(reason!, new RegExp(`compressed by ${name}, and `));
  });

  test(`${name}: what is no ${name} at all goes on as unreadable`, async (t) => {
    const batch = await encode(type, valuesOf(3));
    for (const bytes of [Buffer.from('this is not packed by anything'), Buffer.alloc(64, 0xff)]) {
      const records = await decode(withRecords(batch, bytes));
      t.is(records.length, 3);
      for (const reason of reasonsOf(records)) t.regex(reason!, new RegExp(`compressed by ${name}`));
    }
  });
}

const missing: [string, number][] = [
  ['lz4', CompressionTypes.LZ4],
  ...('zstdCompressSync' in zlib ? [] : [['zstd', CompressionTypes.ZSTD] as [string, number]]),
];

for (const [name, type] of missing) {
  test(`${name}: a codec that is missing yields unreadable records, as many as there are, and no exception`, async (t) => {
    for (const count of [1, 3, 200]) {
      const batch = await encode(CompressionTypes.None, valuesOf(count));
      batch.writeInt16BE(type, 21); // attributes
      const records = await decode(batch);
      t.deepEqual(
        records.map(({ offset }) => Number(offset)),
        Array.from({ length: count }, (_, index) => 100 + index),
      );
      for (const reason of reasonsOf(records))
        t.regex(reason!, new RegExp(`compressed by ${name}.*there is no codec`));
    }
  });
}

test.serial('a codec that the user has registered stays, and does not throw either', async (t) => {
  const registry = CompressionCodecs as Record<number, () => unknown>;
  const before = registry[CompressionTypes.LZ4];
  registry[CompressionTypes.LZ4] = () => ({
    compress: async ({ buffer }: Encoder) => gzipSync(buffer),
    decompress: async (bytes: Buffer) => gunzipSync(bytes),
  });
  try {
    patchKafkajs(MAX_BYTES);
    const values = valuesOf(4);
    const batch = await encode(CompressionTypes.LZ4, values);
    t.deepEqual(
      (await decode(batch)).map(({ value }) => value),
      values,
    );
    const broken = await decode(withRecords(batch, Buffer.from('broken')));
    t.is(broken.length, 4);
    t.regex(reasonsOf(broken)[0]!, /compressed by lz4/);
  } finally {
    registry[CompressionTypes.LZ4] = before!;
  }
});

test('no producer can say that its record is unreadable: the header is another one in each process', (t) => {
  t.regex(UNREADABLE_HEADER, /^ktb-unreadable-[a-z0-9]{5,}$/);
});

test('a consumer that does not run yet refuses to pause, resume and seek, in the words that the source knows', (t) => {
  const consumer = new kafkajs.Kafka({ brokers: ['127.0.0.1:1'] }).consumer({ groupId: 'x' });
  for (const tell of [
    () => consumer.pause([{ topic: 't', partitions: [0] }]),
    () => consumer.resume([{ topic: 't', partitions: [0] }]),
    () => consumer.seek({ topic: 't', partition: 0, offset: '1' }),
  ])
    t.throws(tell, { message: NOT_RUNNING });
});
