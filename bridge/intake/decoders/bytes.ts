/** The bytes as they are; handlers get a `Uint8Array`. */
export function decodeBytes(value: Buffer): Buffer {
  return value;
}
