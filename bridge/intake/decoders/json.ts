import { MAX_DEPTH, undecodable } from './decoder.js';
import { jsonErrorPosition } from './json-error-position.js';

// Without `ignoreBOM` the mark is taken off: JSON.parse does not take it, some producers write it.
const utf8 = new TextDecoder('utf-8', { fatal: true });
const SHOWN_CHARACTERS = 40;

/** JSON in UTF-8, at most {@link MAX_DEPTH} levels deep. */
export function decodeJson(value: Buffer): unknown {
  if (value.length === 0) throw undecodable('Expected JSON, got an empty value');
  let text: string;
  try {
    text = utf8.decode(value);
  } catch {
    throw undecodable('Expected JSON, got bytes that are not UTF-8');
  }
  if (nestsTooDeep(text)) throw undecodable(`Expected JSON of at most ${MAX_DEPTH} levels, got a deeper one`);
  try {
    return JSON.parse(text);
  } catch {
    // V8 names the position in some of its messages only, and quotes the value in the others.
    const position = jsonErrorPosition(text);
    if (position >= text.length)
      throw undecodable(`Expected JSON, got a value that ends too early, at position ${position}`);
    const near = JSON.stringify(text.slice(position, position + SHOWN_CHARACTERS));
    throw undecodable(`Expected JSON, got a value that fails at position ${position}, near ${near}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** JSON.parse itself survives any depth, but takes memory for it: a megabyte of brackets is refused before. */
function nestsTooDeep(text: string): boolean {
  if (text.length <= MAX_DEPTH) return false;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index++;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
