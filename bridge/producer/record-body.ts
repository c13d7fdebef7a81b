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

export function encodeBody({ key, value, headers }: RecordParts): Buffer {
  let size = sizeOfBytes(key?.length ?? -1) + sizeOfBytes(value?.length ?? -1) + varintSize(headers.length);
  for (const [name, bytes] of headers) {
    size += sizeOfBytes(Buffer.byteLength(name)) + sizeOfBytes(bytes?.length ?? -1);
  }
  const body = Buffer.allocUnsafe(size);
  let at = writeBytes(body, 0, key);
  at = writeBytes(body, at, value);
  at = writeVarint(body, at, headers.length);
  for (const [name, bytes] of headers) {
    at = writeVarint(body, at, Buffer.byteLength(name));
    at += body.write(name, at);
    at = writeBytes(body, at, bytes);
  }
  return body;
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

function sizeOfBytes(length: number): number {
  return varintSize(length) + Math.max(length, 0);
}

function writeBytes(target: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(target, at, -1);
  const start = writeVarint(target, at, bytes.length);
  bytes.copy(target, start);
  return start + bytes.length;
}

/** Zigzag. Not by shifts: the distance of two timestamps may be more than 32 bits. */
function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

export function varintSize(value: number): number {
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** @returns where the next byte goes */
export function writeVarint(target: Buffer, at: number, value: number): number {
  let next = at;
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[next++] = (rest % 0x80) | 0x80;
  target[next++] = rest;
  return next;
}
