/** A value in a visibility query. */
export function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** `field IN (...)`. */
export function oneOf(field: string, values: Iterable<string>): string {
  return `${field} IN (${[...values].map(quoted).join(', ')})`;
}
