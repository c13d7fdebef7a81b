import { undecodable } from './decoder.js';
import { addWellKnownTypes } from './well-known-types.js';
import type { ProtobufRoot } from './well-known-types.js';

/** The part of protobufjs's reflection that is used: the library has the package, we only meet its objects. */
interface MessageType {
  readonly nestedArray: readonly unknown[];
  readonly root: ProtobufRoot;
  readonly parent: { readonly nestedArray: readonly unknown[] } | null;
  decode(bytes: Uint8Array): { toJSON(): unknown };
}

/**
 * The payload of a Protobuf record: the indexes of its message type in the schema, then the message. The library
 * (3.9.0) skips the indexes as "leading zeros": it takes every record for the schema's first message, and can't read an
 * empty one.
 *
 * What comes back is the message's JSON form (64-bit integers as decimal strings, bytes as base64, enums by name, what
 * isn't set left out): it is what a handler gets, so filters and keys see the same.
 */
export function decodeProtobuf(schema: unknown, payload: Buffer): unknown {
  const first = (schema as { readonly message?: unknown }).message;
  if (!isMessageType(first)) throw undecodable('Expected a Protobuf schema with a message');
  addWellKnownTypes(first.root);
  const { indexes, rest } = messageIndexes(payload);
  // Not as a Buffer: for those protobufjs has a reader of its own, which takes a string that is cut off for a shorter one.
  const bytes = new Uint8Array(rest.buffer, rest.byteOffset, rest.length);
  return messageAt(first, indexes).decode(bytes).toJSON();
}

function isMessageType(value: unknown): value is MessageType {
  return typeof (value as Partial<MessageType> | null | undefined)?.decode === 'function';
}

function messageAt(first: MessageType, indexes: readonly number[]): MessageType {
  let siblings = first.parent?.nestedArray ?? [first];
  let found: MessageType = first;
  for (const index of indexes) {
    const next = siblings.filter(isMessageType)[index];
    if (next === undefined)
      throw undecodable(`Expected a message of the schema, got the index ${indexes.join('.')}`);
    found = next;
    siblings = next.nestedArray;
  }
  return found;
}

/** Zigzag varints: a count, then as many indexes; a lone 0 stands for `[0]`, by far the most frequent. */
function messageIndexes(payload: Buffer): { readonly indexes: readonly number[]; readonly rest: Buffer } {
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = payload[at++];
      if (byte === undefined)
        throw undecodable('Expected the indexes of a Protobuf message, got the end of the value');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw undecodable('Expected the indexes of a Protobuf message, got other bytes');
  };
  const count = next();
  if (count < 0 || count > 100)
    throw undecodable(`Expected the indexes of a Protobuf message, got ${count} of them`);
  const indexes = count === 0 ? [0] : Array.from({ length: count }, next);
  return { indexes, rest: payload.subarray(at) };
}
