import { lastHeader, textOf } from '../record.js';
import type { RawHeaders } from '../record.js';

/** The last value of a header as text (`~hex:<hex>` where it isn't clean UTF-8); an empty one is a missing one. */
export function headerText(headers: RawHeaders, name: string): string | undefined {
  const bytes = lastHeader(headers, name);
  return bytes && bytes.length > 0 ? textOf(bytes) : undefined;
}
