const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// oxlint-disable-next-line no-control-regex -- JSON's strings may not contain them
const STRING_PART = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const LITERALS = ['true', 'false', 'null'];

/**
 * Where a text stops being JSON: the index of the first character that can't stand there, or the text's length if it
 * ends too early. For the message of a text that JSON.parse has refused; it doesn't recurse, and reads every character once.
 */
export function jsonErrorPosition(text: string): number {
  const closers: string[] = [];
  let at = skip(WHITESPACE, text, 0);
  let expectsKey = false;
  for (;;) {
    // A value, or where an object has just been opened or continued, a key and its colon.
    if (expectsKey) {
      if (text[at] !== '"') return at;
      const key = endOfString(text, at);
      if (!key.ok) return key.at;
      at = skip(WHITESPACE, text, key.at);
      if (text[at] !== ':') return at;
      at = skip(WHITESPACE, text, at + 1);
      expectsKey = false;
    }
    const opened = text[at];
    if (opened === '{' || opened === '[') {
      const closer = opened === '{' ? '}' : ']';
      at = skip(WHITESPACE, text, at + 1);
      if (text[at] !== closer) {
        closers.push(closer);
        expectsKey = opened === '{';
        continue;
      }
      at++;
    } else {
      const scalar = endOfScalar(text, at);
      if (!scalar.ok) return scalar.at;
      at = scalar.at;
    }
    // After a value: what closes around it, then a comma.
    at = skip(WHITESPACE, text, at);
    while (closers.length > 0 && text[at] === closers.at(-1)) {
      closers.pop();
      at = skip(WHITESPACE, text, at + 1);
    }
    if (closers.length === 0 || text[at] !== ',') return at;
    expectsKey = closers.at(-1) === '}';
    at = skip(WHITESPACE, text, at + 1);
  }
}

interface End {
  readonly ok: boolean;
  readonly at: number;
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  const match = pattern.exec(text);
  return at + (match?.[0].length ?? 0);
}

function endOfString(text: string, start: number): End {
  let at = start + 1;
  for (;;) {
    const next = skip(STRING_PART, text, at);
    if (next === at) return text[at] === '"' ? { ok: true, at: at + 1 } : { ok: false, at };
    at = next;
  }
}

function endOfScalar(text: string, at: number): End {
  if (text[at] === '"') return endOfString(text, at);
  const literal = LITERALS.find((one) => text.startsWith(one, at));
  if (literal !== undefined) return { ok: true, at: at + literal.length };
  const afterNumber = skip(NUMBER, text, at);
  return { ok: afterNumber > at, at: afterNumber };
}
