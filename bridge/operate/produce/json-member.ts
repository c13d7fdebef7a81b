const BLANK = /[\t\n\r ]/;

/**
 * The text of an object's member, as it stands there: parsed and written again, a number over 2^53 would be another one.
 * @param json an object, known to be well-formed
 */
export function memberText(json: string, name: string): string | undefined {
  let found: string | undefined;
  let at = json.indexOf('{') + 1;
  for (;;) {
    at = json.indexOf('"', at);
    if (at === -1) return found;
    const colon = json.indexOf(':', stringEnd(json, at));
    const end = valueEnd(json, colon + 1);
    // The last one counts, as for JSON.parse.
    if (JSON.parse(json.slice(at, stringEnd(json, at))) === name) found = json.slice(colon + 1, end).trim();
    at = end;
  }
}

/** Behind the closing quote. */
function stringEnd(json: string, quote: number): number {
  for (let at = quote + 1; ; at++) {
    if (json[at] === '\\') at++;
    else if (json[at] === '"') return at + 1;
  }
}

/** Behind a value: at the comma or the bracket that follows it. */
function valueEnd(json: string, from: number): number {
  let depth = 0;
  for (let at = from; at < json.length; at++) {
    const character = json[at]!;
    if (character === '"') at = stringEnd(json, at) - 1;
    else if (character === '{' || character === '[') depth++;
    else if (depth === 0 && (character === ',' || character === '}')) return at;
    else if (character === '}' || character === ']') depth--;
    else if (BLANK.test(character)) continue;
  }
  return json.length;
}
