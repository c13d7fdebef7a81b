import { isTooDeep, MAX_DEPTH } from '../../intake/decoders/decoder.js';
import { thrownText } from '../../intake/one-line.js';
import { unencodable, type Encoded } from './encoder.js';

/** JSON as `decodeJson` takes it. */
export function encodeJson(event: unknown): Encoded {
  return { value: jsonBytes(event) };
}

export function jsonBytes(event: unknown): Buffer {
  if (isTooDeep(event))
    throw unencodable(`Expected an event of at most ${MAX_DEPTH} levels, got a deeper one`);
  let json: string | undefined;
  try {
    json = JSON.stringify(event);
  } catch (error) {
    throw unencodable(`Expected an event that is JSON, got one that is not: ${thrownText(error)}`, error);
  }
  if (json === undefined) throw unencodable(`Expected an event that is JSON, got ${typeof event}`);
  return Buffer.from(json);
}

export function encodeText(event: unknown): Encoded {
  if (typeof event !== 'string')
    throw unencodable(`Expected an event that is a string, got ${kindOf(event)}`);
  // Bytes that are not text would come back as other text.
  if (/\p{Surrogate}/u.test(event)) throw unencodable('Expected text, got a lone surrogate in it');
  return { value: Buffer.from(event) };
}

export function encodeBytes(event: unknown): Encoded {
  if (!(event instanceof Uint8Array))
    throw unencodable(`Expected an event that is bytes, got ${kindOf(event)}`);
  return { value: Buffer.from(event) };
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}
