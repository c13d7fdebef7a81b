import { keyOf } from './record-body.js';

/** Which partition a record goes to: decided once, as a partitioner that runs again at a retry loses records. */

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** As Kafka's own clients hash a key, so that all producers of a topic agree. */
export function murmur2(key: Uint8Array): number {
  const { length } = key;
  let hash = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let k = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    hash = Math.imul(hash, M) ^ Math.imul(k, M);
  }
  const left = length - at;
  if (left > 2) hash ^= key[at + 2]! << 16;
  if (left > 1) hash ^= key[at + 1]! << 8;
  if (left > 0) hash = Math.imul(hash ^ key[at]!, M);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}

/** The partition of a key. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** How many records without a key go to one partition before the next one's turn: fuller batches. */
const STICKY = 16;

export class Partitioner {
  readonly #turns = new Map<string, { next: number }>();

  partitionFor(
    { topic, body }: { readonly topic: string; readonly body: Buffer },
    partitions: number,
  ): number {
    const key = keyOf(body);
    if (key !== null) return partitionOf(key, partitions);
    let turn = this.#turns.get(topic);
    if (!turn) this.#turns.set(topic, (turn = { next: 0 }));
    return Math.floor(turn.next++ / STICKY) % partitions;
  }
}
