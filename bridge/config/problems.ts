/** How a problem of a configuration reads: the field as the user wrote it, what was expected, what came. */

export type FieldPath = readonly PropertyKey[];

const SECRET_SECTIONS = new Set(['sasl', 'ssl', 'tls', 'apiKey', 'auth', 'webhook', 'headers']);
const SECRET_NAME = /password|passphrase|secret|token|api_?key|credential/i;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
const SHOWN_CHARACTERS = 100;

/** `['routes', 0, 'topic']` as `routes[0].topic`. */
export function fieldName(path: FieldPath): string {
  let name = '';
  for (const part of path) {
    if (typeof part === 'number') name += `[${part}]`;
    else if (typeof part !== 'string' || !IDENTIFIER.test(part)) name += `[${JSON.stringify(String(part))}]`;
    else name += name === '' ? part : `.${part}`;
  }
  return name;
}

/** The value at a path, by own properties only. */
function valueAt(root: unknown, path: FieldPath): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

/** A value for a message: bounded, one line, and never the inside of an object, where secrets may stand. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      // A URL or an address may carry credentials.
      const safe = value.replace(/[^\s,/]*@/g, '<hidden>@').replace(/[^\s,/:]*:[^\s,]*@/g, '<hidden>@');
      return JSON.stringify(safe.length > SHOWN_CHARACTERS ? `${safe.slice(0, SHOWN_CHARACTERS)}…` : safe);
    }
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    case 'object':
      if (value === null) return 'null';
      if (value instanceof RegExp) return String(value);
      if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
      return 'an object';
    default:
      return String(value);
  }
}

function isSecret(path: FieldPath): boolean {
  return path.some(
    (part) => typeof part === 'string' && (SECRET_SECTIONS.has(part) || SECRET_NAME.test(part)),
  );
}

/** `Expected \`routes[0].topic\` to be a string or a RegExp, got 42`; secrets are `<hidden>`. */
export function expectation(root: unknown, path: FieldPath, expected: string): string {
  const value = valueAt(root, path);
  const got = value !== undefined && isSecret(path) ? '<hidden>' : shown(value);
  const subject = path.length === 0 ? 'the config' : `\`${fieldName(path)}\``;
  return `Expected ${subject} to be ${expected}, got ${got}`;
}

/** `Unknown field \`routes[0].topik\`; did you mean \`topic\`?` */
export function unknownField(path: FieldPath, key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  const hint =
    near === undefined
      ? `; known are ${known.map((one) => `\`${one}\``).join(', ')}`
      : `; did you mean \`${near}\`?`;
  return `Unknown field \`${fieldName([...path, key])}\`${hint}`;
}

function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance < candidate.length) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substitution));
    }
    row = next;
  }
  return row[b.length]!;
}
