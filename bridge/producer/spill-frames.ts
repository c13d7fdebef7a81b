import { crc32c } from './crc32c.js';

/**
 * The spill file's bytes: a magic, then frames of length, checksum and content. A frame is whole or it is not there:
 * what a crash, a full disk or a torn write leaves behind is told by its checksum.
 */

export const MAGIC = Buffer.from('KTBSPIL1');
const FRAME_BYTES = 8;
/** More is no length, but torn bytes. */
const MAX_FRAME_BYTES = 256 * 1024 * 1024;
/** What crossing a record out takes. */
export const DONE_BYTES = FRAME_BYTES + 9;

const RECORD = 1;
const DONE = 2;
const NOT_PLACED = -1;

/** A record in the spill file. */
export interface SpilledRecord {
  /** Of acceptance: records of a partition leave in this order. */
  readonly order: number;
  readonly topic: string;
  /** `undefined`: the topic's partitions were not known. */
  readonly partition: number | undefined;
  /** Epoch milliseconds. */
  readonly timestampMs: number;
  /** Of `encodeBody`. */
  readonly body: Buffer;
}

export type Frame =
  | { readonly kind: 'record'; readonly record: SpilledRecord }
  | { readonly kind: 'done'; readonly order: number };

export function recordFrame({ order, topic, partition, timestampMs, body }: SpilledRecord): Buffer {
  const name = Buffer.from(topic);
  const content = Buffer.allocUnsafe(1 + 8 + 8 + 4 + 2 + name.length + body.length);
  let at = content.writeUInt8(RECORD, 0);
  at = content.writeDoubleBE(order, at);
  at = content.writeDoubleBE(timestampMs, at);
  at = content.writeInt32BE(partition ?? NOT_PLACED, at);
  at = content.writeUInt16BE(name.length, at);
  at += name.copy(content, at);
  body.copy(content, at);
  return framed(content);
}

export function doneFrame(order: number): Buffer {
  const content = Buffer.allocUnsafe(9);
  content.writeDoubleBE(order, content.writeUInt8(DONE, 0));
  return framed(content);
}

function framed(content: Buffer): Buffer {
  const head = Buffer.allocUnsafe(FRAME_BYTES);
  head.writeUInt32BE(crc32c(content), head.writeUInt32BE(content.length, 0));
  return Buffer.concat([head, content]);
}

/**
 * The frame that begins here. `more`: so many bytes are needed to tell; where there are no more, it is torn.
 * `undefined`: no frame begins here.
 */
export function frameAt(
  bytes: Buffer,
  at: number,
): { readonly frame: Frame; readonly end: number } | { readonly more: number } | undefined {
  if (bytes.length - at < FRAME_BYTES) return { more: FRAME_BYTES };
  const length = bytes.readUInt32BE(at);
  if (length === 0 || length > MAX_FRAME_BYTES) return undefined;
  const end = at + FRAME_BYTES + length;
  if (end > bytes.length) return { more: FRAME_BYTES + length };
  const content = bytes.subarray(at + FRAME_BYTES, end);
  if (crc32c(content) !== bytes.readUInt32BE(at + 4)) return undefined;
  const frame = contentOf(content);
  return frame && { frame, end };
}

function contentOf(content: Buffer): Frame | undefined {
  if (content[0] === DONE && content.length === 9) return { kind: 'done', order: content.readDoubleBE(1) };
  if (content[0] !== RECORD || content.length < 23) return undefined;
  const nameEnd = 23 + content.readUInt16BE(21);
  if (nameEnd > content.length) return undefined;
  const partition = content.readInt32BE(17);
  return {
    kind: 'record',
    record: {
      order: content.readDoubleBE(1),
      timestampMs: content.readDoubleBE(9),
      partition: partition === NOT_PLACED ? undefined : partition,
      topic: content.toString('utf8', 23, nameEnd),
      body: content.subarray(nameEnd),
    },
  };
}
