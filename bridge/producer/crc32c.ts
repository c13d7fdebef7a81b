/** Slicing by eight: Node has no CRC-32C of its own (`zlib.crc32` is another polynomial), and a byte at a time is slow. */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;
const table = new Int32Array(256 * SLICES);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  table[byte] = crc;
}
for (let byte = 0; byte < 256; byte++) {
  for (let slice = 1; slice < SLICES; slice++) {
    const previous = table[256 * (slice - 1) + byte]!;
    table[256 * slice + byte] = (previous >>> 8) ^ table[previous & 0xff]!;
  }
}

/** The checksum of Kafka's record batches, and of the spill file's frames: unsigned. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  let at = 0;
  for (const end = bytes.length - SLICES; at <= end; at += SLICES) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      table[0x700 + (low & 0xff)]! ^
      table[0x600 + ((low >>> 8) & 0xff)]! ^
      table[0x500 + ((low >>> 16) & 0xff)]! ^
      table[0x400 + (low >>> 24)]! ^
      table[0x300 + bytes[at + 4]!]! ^
      table[0x200 + bytes[at + 5]!]! ^
      table[0x100 + bytes[at + 6]!]! ^
      table[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
