import { utf8Text } from '../../utf8.js';
import { undecodable } from './decoder.js';

/** UTF-8 as a string. */
export function decodeText(value: Buffer): string {
  const text = utf8Text(value);
  if (text === undefined) throw undecodable('Expected UTF-8 text, got other bytes');
  return text;
}
