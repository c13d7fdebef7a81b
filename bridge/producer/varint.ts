/** Numbers as Kafka's records have them: zigzag, seven bits a byte. */

/** Not by shifts, but for small ones: the distance of two timestamps may be more than 32 bits. */
function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

export function varintSize(value: number): number {
  if (value >= -64 && value < 64) return 1;
  if (value >= -8_192 && value < 8_192) return 2;
  let size = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** @returns where the next byte goes */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let next = at;
  if (value >= -8_192 && value < 8_192) {
    const small = (value << 1) ^ (value >> 31);
    if (small < 0x80) target[next++] = small;
    else {
      target[next++] = (small & 0x7f) | 0x80;
      target[next++] = small >>> 7;
    }
    return next;
  }
  let rest = zigzag(value);
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[next++] = (rest % 0x80) | 0x80;
  target[next++] = rest;
  return next;
}
