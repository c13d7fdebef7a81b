/** @throws Error where it is none of at least 1 */
export function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`Expected --${name} to be a whole number of at least 1, got ${text}`);
  return value;
}
