import { FRESH_HEADERS, MAX_FRESH_BYTES, writeFreshHeaders } from './fresh-headers.js';
import { varintSize, writeVarint } from './varint.js';

/**
 * What a record is made of, in the log's own format (key, value and headers; not what its place in a batch decides).
 * It is written once, when a record is accepted: for the batch, for its retries, and for the spill file.
 */

export interface RecordParts {
  readonly key: Buffer | null;
  /** `null` is a tombstone. */
  readonly value: Buffer | null;
  /** In the order of the log; a name may stand several times. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/** The parts of a record that is accepted: text is written straight into the body, without bytes of its own. */
export interface BodyParts extends Omit<RecordParts, 'key' | 'value'> {
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  /** Epoch milliseconds: behind the headers stand those that every record has, all of them new. */
  readonly freshAtMs?: number | undefined;
}

/**
 * Bodies are cut from common memory, dozens from each: they die together, and the collector has less to do. Not larger,
 * as one body that stays keeps the memory of all.
 */
const SLAB_BYTES = 32 * 1024;
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let used = 0;

export function encodeBody({ key, value, headers, freshAtMs }: BodyParts): Buffer {
  const keyLength = lengthOf(key);
  const valueLength = lengthOf(value);
  const count = headers.length + (freshAtMs === undefined ? 0 : FRESH_HEADERS);
  let size = sizeOfBytes(keyLength) + sizeOfBytes(valueLength) + varintSize(count);
  for (const [name, bytes] of headers) {
    size += sizeOfBytes(Buffer.byteLength(name)) + sizeOfBytes(lengthOf(bytes));
  }
  if (freshAtMs !== undefined) size += MAX_FRESH_BYTES;
  const shared = size <= SLAB_BYTES / 4;
  if (shared && used + size > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const target = shared ? slab : Buffer.allocUnsafeSlow(size);
  const start = shared ? used : 0;
  let at = writeBytes(target, start, key, keyLength);
  at = writeBytes(target, at, value, valueLength);
  at = writeVarint(target, at, count);
  for (const [name, bytes] of headers) {
    at = writeBytes(target, at, name, Buffer.byteLength(name));
    at = writeBytes(target, at, bytes, lengthOf(bytes));
  }
  if (freshAtMs !== undefined) at = writeFreshHeaders(target, at, freshAtMs);
  if (shared) used = at;
  return target.subarray(start, at);
}

/** A body begins with its key. */
export function keyOf(body: Buffer): Buffer | null {
  let length = 0;
  let at = 0;
  for (let scale = 1; ; scale *= 0x80) {
    const byte = body[at++]!;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return length % 2 === 1 ? null : body.subarray(at, at + length / 2);
}

/** The other way round; what comes back are slices of the body. */
export function decodeBody(body: Buffer): RecordParts {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = body.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
  };
  const bytes = (): Buffer | null => {
    const length = varint();
    if (length < 0) return null;
    if (at + length > body.length) throw new RangeError('Expected a whole record, got a part of one');
    at += length;
    return body.subarray(at - length, at);
  };
  const key = bytes();
  const value = bytes();
  const headers: [string, Buffer | null][] = [];
  for (let left = varint(); left > 0; left--) headers.push([(bytes() ?? '').toString(), bytes()]);
  return { key, value, headers };
}

function lengthOf(bytes: Uint8Array | string | null): number {
  if (bytes === null) return -1;
  return typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length;
}

function sizeOfBytes(length: number): number {
  return varintSize(length) + Math.max(length, 0);
}

function writeBytes(target: Buffer, at: number, bytes: Uint8Array | string | null, length: number): number {
  const start = writeVarint(target, at, length);
  if (bytes === null) return start;
  if (typeof bytes === 'string') target.write(bytes, start, length);
  else target.set(bytes, start);
  return start + length;
}
