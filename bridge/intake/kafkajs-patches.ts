/**
 * What kafkajs 2.2.4 needs to be run in production, in one place. Both reach into its internals, so kafkajs is pinned,
 * and test/intake/kafkajs-patches.test.ts fails when they no longer hold.
 */
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import kafkajs from 'kafkajs';

const require = createRequire(import.meta.url);

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/** What it throws when a consumer that has not begun to run is told to pause, resume or seek. */
export const NOT_RUNNING = /^Consumer group was not initialized/;

let patched = false;

/** Applies both patches; the second one, once per process. */
export function patchKafkajs(maxBatchBytes: number): void {
  registerCodecs(maxBatchBytes);
  quietKafkajs();
}

/**
 * Its request queue re-arms a timer of 1 ms after every response, though nothing waits to be sent: 4 % of a core for
 * an idle client. With nothing pending there is nothing to check; what is pushed later checks for itself.
 */
export function quietKafkajs(): void {
  if (patched) return;
  patched = true;
  const { prototype } = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue };
  const original = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) original.call(this);
  };
}

/** The header by which a record says that its batch could not be unpacked. Random: no producer can forge it. */
export const UNREADABLE_HEADER = `ktb-unreadable-${Math.random().toString(36).slice(2)}`;

const gunzip = promisify(zlib.gunzip);
const gzip = promisify(zlib.gzip);

/** Where Node has zstd (22.15): kafkajs has no codec of its own. */
const zstd = zlib as unknown as {
  zstdDecompress?: (
    bytes: Buffer,
    options: object,
    done: (error: Error | null, result: Buffer) => void,
  ) => void;
  zstdCompress?: (bytes: Buffer, done: (error: Error | null, result: Buffer) => void) => void;
};

interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(bytes: Buffer): Promise<Buffer>;
}

/**
 * Every codec is capped: a bomb of 51 KB unpacks to 50 MB. A batch that can't be unpacked must not throw either, since
 * kafkajs would stop the partition for good: its records go on as unreadable, and end in quarantine by coordinates.
 */
function registerCodecs(maxBatchBytes: number): void {
  const { CompressionCodecs: codecs, CompressionTypes: types } = kafkajs;
  const set = (type: number, codec: Codec) => {
    (codecs as Record<number, () => Codec>)[type] = () => codec;
  };
  set(
    types.GZIP,
    readable('gzip', {
      compress: async (encoder) => gzip(encoder.buffer),
      decompress: async (bytes) => gunzip(bytes, { maxOutputLength: maxBatchBytes }),
    }),
  );
  const snappy = (require('kafkajs-snappy') as () => Codec)();
  set(
    types.Snappy,
    readable('snappy', {
      compress: (encoder) => snappy.compress(encoder),
      decompress: async (bytes) => {
        const size = snappySize(bytes);
        if (size > maxBatchBytes)
          throw new RangeError(`it unpacks to ${size} bytes, more than ${maxBatchBytes}`);
        return snappy.decompress(bytes);
      },
    }),
  );
  const { zstdDecompress, zstdCompress } = zstd;
  if (zstdDecompress && zstdCompress) {
    const unpack = promisify(zstdDecompress);
    const pack = promisify(zstdCompress);
    set(
      types.ZSTD,
      readable('zstd', {
        compress: async (encoder) => pack(encoder.buffer),
        decompress: async (bytes) => unpack(bytes, { maxOutputLength: maxBatchBytes }),
      }),
    );
  } else {
    setMissing(types.ZSTD, 'zstd (Node has it from 22.15)');
  }
  setMissing(types.LZ4, 'lz4');

  /** One that the user registered stays, made readable too. */
  function setMissing(type: number, name: string): void {
    let registered: Codec | undefined;
    try {
      registered = (codecs as Record<number, () => Codec>)[type]?.();
    } catch {
      registered = undefined; // kafkajs throws for a codec that it has not
    }
    set(
      type,
      readable(
        name,
        registered ?? {
          compress: () => Promise.reject(new Error(`There is no codec for ${name}`)),
          decompress: () =>
            Promise.reject(
              new Error("there is no codec for it; register one in kafkajs's `CompressionCodecs`"),
            ),
        },
      ),
    );
  }
}

const READABLE = Symbol('ktb.readable');

function readable(name: string, codec: Codec): Codec {
  if (READABLE in codec) return codec;
  return {
    [READABLE]: true,
    compress: (encoder: { readonly buffer: Buffer }) => codec.compress(encoder),
    decompress: async (bytes: Buffer) => {
      try {
        return await codec.decompress(bytes);
      } catch (error) {
        return unreadable(
          bytes,
          `The batch is compressed by ${name}, and ${String((error as Error).message)}`,
        );
      }
    },
  } as Codec;
}

/** How many records the batch has: kafkajs hands on a view of the fetch response, and the count stands before it. */
function recordCount(compressed: Buffer): number {
  return new DataView(compressed.buffer, compressed.byteOffset - 4, 4).getInt32(0);
}

/** Records in the log's own format: no key, no value, and one header that says why. */
function unreadable(compressed: Buffer, message: string): Buffer {
  const name = Buffer.from(UNREADABLE_HEADER);
  const value = Buffer.from(message.slice(0, 500));
  const records: Buffer[] = [];
  for (let delta = 0, count = recordCount(compressed); delta < count; delta++) {
    const body = Buffer.concat([
      Buffer.from([0]), // attributes
      varint(0), // timestamp delta
      varint(delta),
      varint(-1), // no key
      varint(-1), // no value
      varint(1), // one header
      varint(name.length),
      name,
      varint(value.length),
      value,
    ]);
    records.push(varint(body.length), body);
  }
  return Buffer.concat(records);
}

/** Zigzag, as Kafka's record format has it. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = ((value << 1) ^ (value >> 31)) >>> 0; ; rest >>>= 7) {
    if (rest < 0x80) {
      bytes.push(rest);
      return Buffer.from(bytes);
    }
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const XERIAL = Buffer.from([130, 83, 78, 65, 80, 80, 89, 0]);

/** What snappy says that it unpacks to: its blocks begin with their length; Java's framing holds several. */
function snappySize(bytes: Buffer): number {
  if (!bytes.subarray(0, 8).equals(XERIAL)) return unsignedVarint(bytes, 0);
  let size = 0;
  for (let at = 16; at + 4 <= bytes.length;) {
    const length = bytes.readUInt32BE(at);
    size += unsignedVarint(bytes, at + 4);
    at += 4 + length;
  }
  return size;
}

function unsignedVarint(bytes: Buffer, at: number): number {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[at + index] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) break;
  }
  return value;
}
