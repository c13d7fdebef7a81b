import { undecodable } from './decoder.js';

// The byte order mark stays: text is handed on as it is.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 as a string. */
export function decodeText(value: Buffer): string {
  try {
    return utf8.decode(value);
  } catch {
    throw undecodable('Expected UTF-8 text, got other bytes');
  }
}
