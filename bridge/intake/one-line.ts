/** Messages about records: their text is hostile until proven otherwise, and stands in logs and in the UI. */

/** Controls, line and paragraph separators, directional overrides, and surrogates without a partner. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\p{Surrogate}]/gu;
const MAX_CHARACTERS = 1_000;

/** One line of at most so many characters: a line break in a header must not forge a log line. */
export function oneLine(text: string, maxCharacters: number = MAX_CHARACTERS): string {
  // Cut first, so that a huge text costs nothing; escapes then make it longer, so it is cut again.
  const escaped = text
    .slice(0, maxCharacters + 1)
    .replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (escaped.length <= maxCharacters) return escaped;
  const kept = escaped.slice(0, maxCharacters - 1);
  return `${/[\ud800-\udbff]$/.test(kept) ? kept.slice(0, -1) : kept}…`;
}

/** The message of anything that a user's function threw; it may have thrown what has no text at all. */
export function thrownText(error: unknown): string {
  try {
    const message: unknown = error instanceof Error ? error.message : error;
    return oneLine(String(message));
  } catch {
    return 'something that has no text';
  }
}
