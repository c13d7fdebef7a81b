/** A JSON pointer (RFC 6901), ready to be looked up. */
export type JsonPointer = (document: unknown) => unknown;

const SYNTAX = /^(?:\/(?:[^/~]|~[01])*)*$/;
const ARRAY_INDEX = /^(?:0|[1-9]\d{0,15})$/;

/** Whether this is a JSON pointer: empty (the whole document), or beginning with `/`, with no `~` but in `~0` and `~1`. */
export function isJsonPointer(value: unknown): value is string {
  return typeof value === 'string' && SYNTAX.test(value);
}

/**
 * Compiles a JSON pointer. Looked up, it gives `undefined` where there is nothing. Only what the document itself holds
 * is found: `/constructor`, `/__proto__` or an array's `/length` never reach what JavaScript adds.
 *
 * @throws SyntaxError if it isn't a JSON pointer
 */
export function compilePointer(pointer: string): JsonPointer {
  if (!isJsonPointer(pointer))
    throw new SyntaxError(`Expected a JSON pointer, got ${JSON.stringify(pointer)}`);
  const tokens = pointer
    .split('/')
    .slice(1)
    // `~1` before `~0`: `~01` means `~1`, not `/`.
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  return (document) => tokens.reduce(child, document);
}

function child(parent: unknown, token: string): unknown {
  // Bytes are a value, not a list of numbers.
  if (typeof parent !== 'object' || parent === null || ArrayBuffer.isView(parent)) return undefined;
  if (Array.isArray(parent) && !ARRAY_INDEX.test(token)) return undefined;
  return Object.hasOwn(parent, token) ? (parent as Record<string, unknown>)[token] : undefined;
}
