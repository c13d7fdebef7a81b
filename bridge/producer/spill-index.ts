/** Which records of the spill file are still to be sent, and where they stand: two numbers a record, whatever its size. */

/** A partition's records; those of a topic whose partitions were not known have a key of their own. */
export function spillKey(topic: string, partition: number | undefined): string {
  return `${topic}/${partition ?? '?'}`;
}

interface Entries {
  /** Ascending. */
  readonly orders: number[];
  readonly positions: number[];
  /** Those before are done. */
  head: number;
  /** Done after `head`, out of turn. */
  readonly done: Set<number>;
}

export class SpillIndex {
  readonly #byKey = new Map<string, Entries>();
  #size = 0;

  /** Records that are not done. */
  get size(): number {
    return this.#size;
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** The order of the first record of a key that is not done; without one, infinitely late. */
  first(key: string): number {
    const entries = this.#byKey.get(key);
    return entries ? entries.orders[entries.head]! : Infinity;
  }

  add(key: string, order: number, position: number): void {
    let entries = this.#byKey.get(key);
    if (!entries) this.#byKey.set(key, (entries = { orders: [], positions: [], head: 0, done: new Set() }));
    const { orders, positions } = entries;
    // Nearly always at the end: only a record that was under way comes late.
    let at = orders.length;
    while (at > entries.head && orders[at - 1]! > order) at--;
    orders.splice(at, 0, order);
    positions.splice(at, 0, position);
    this.#size++;
  }

  /** @returns whether it was there */
  done(key: string, order: number): boolean {
    const entries = this.#byKey.get(key);
    if (!entries || entries.done.has(order)) return false;
    const { orders, done } = entries;
    if (find(orders, order, entries.head) === undefined) return false;
    done.add(order);
    while (entries.head < orders.length && done.delete(orders[entries.head]!)) entries.head++;
    if (entries.head === orders.length) this.#byKey.delete(key);
    else if (entries.head > 1_000 && entries.head > orders.length / 2) {
      orders.splice(0, entries.head);
      entries.positions.splice(0, entries.head);
      entries.head = 0;
    }
    this.#size--;
    return true;
  }

  /** The positions of the first records of a key that are not done, in order. */
  positions(key: string, count: number): readonly number[] {
    const entries = this.#byKey.get(key);
    if (!entries) return [];
    const { orders, positions, head, done } = entries;
    const found: number[] = [];
    for (let at = head; at < orders.length && found.length < count; at++) {
      if (!done.has(orders[at]!)) found.push(positions[at]!);
    }
    return found;
  }
}

function find(sorted: readonly number[], value: number, from: number): number | undefined {
  let [low, high] = [from, sorted.length - 1];
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] === value) return middle;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}
