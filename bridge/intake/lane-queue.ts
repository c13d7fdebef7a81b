import type { Priority } from '../config/types.js';

/** One that waits, or is under way. */
export interface QueueEntry<T> {
  readonly item: T;
  readonly offset: bigint;
  /** Records with the same text never overtake each other; undefined: it keeps no order. */
  readonly key: string | undefined;
  /** Undefined: not known yet, so it waits until it is. */
  readonly priority: Priority | undefined;
}

interface Entry<T> extends QueueEntry<T> {
  priority: Priority | undefined;
  /** Where it goes: two of a key that go the same way keep their order there; of other ways, one waits for the other. */
  way: string | undefined;
}

type List = Priority | 'unknown';

/**
 * What waits of one partition: high priority first, then in the order of the log; but the records of one key never
 * overtake each other. Pure.
 */
export class LaneQueue<T> {
  readonly #lists: Readonly<Record<List, Entry<T>[]>> = { high: [], medium: [], low: [], unknown: [] };
  /** By key: what waits, in the order of the log. */
  readonly #ofKey = new Map<string, Entry<T>[]>();
  readonly #underWay = new Map<bigint, Entry<T>>();
  readonly #underWayOfKey = new Map<string, Set<Entry<T>>>();
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** To its place in the order of the log. */
  add(item: T, offset: bigint, key: string | undefined, priority: Priority | undefined): void {
    this.#put({ item, offset, key, priority, way: undefined });
  }

  /** The first whose priority is not known yet. */
  get unknown(): QueueEntry<T> | undefined {
    return this.#lists.unknown[0];
  }

  /** Tells its priority. Nothing where it no longer waits for it. */
  know(entry: QueueEntry<T>, priority: Priority): void {
    const own = entry as Entry<T>;
    if (own.priority !== undefined || !remove(this.#lists.unknown, own)) return;
    own.priority = priority;
    insert(this.#lists[priority], own);
  }

  /** The oldest that waits, whatever its priority. */
  get head(): QueueEntry<T> | undefined {
    let head: Entry<T> | undefined;
    for (const [first] of Object.values(this.#lists))
      if (first && (head === undefined || first.offset < head.offset)) head = first;
    return head;
  }

  /** Whether one of this priority could be taken. */
  has(priority: Priority): boolean {
    return this.#lists[priority].some((entry) => this.#mayGo(entry));
  }

  /** The first of this priority that overtakes nobody of its key. It is under way then. */
  take(priority: Priority): QueueEntry<T> | undefined {
    const entry = this.#lists[priority].find((one) => this.#mayGo(one));
    if (entry === undefined) return undefined;
    this.#unlist(entry);
    entry.way = undefined;
    this.#underWay.set(entry.offset, entry);
    if (entry.key !== undefined) {
      const others = this.#underWayOfKey.get(entry.key);
      if (others) others.add(entry);
      else this.#underWayOfKey.set(entry.key, new Set([entry]));
    }
    return entry;
  }

  /** Which way it goes. `false`: one of its key is under way another way; it is back, and waits for that one. */
  goes(entry: QueueEntry<T>, way: string): boolean {
    const own = entry as Entry<T>;
    own.way = way;
    if (this.#isAlone(own, way)) return true;
    this.back(own.offset);
    return false;
  }

  /** It could not go its way yet: until it does nothing of its key may, or that would overtake it there. */
  hesitates(entry: QueueEntry<T>): void {
    (entry as Entry<T>).way = undefined;
  }

  /** It is not under way any more: it waits again, at its place. `false`: it was not under way. */
  back(offset: bigint): boolean {
    const entry = this.#leave(offset);
    if (entry) this.#put(entry);
    return entry !== undefined;
  }

  /** It is not under way any more: those of its key that wait for it may go. */
  done(offset: bigint): void {
    this.#leave(offset);
  }

  #mayGo(entry: Entry<T>): boolean {
    if (entry.key === undefined) return true;
    if (this.#ofKey.get(entry.key)?.[0] !== entry) return false;
    return this.#isAlone(entry, entry.way);
  }

  /** Whether nothing of its key is under way another way. One that does not know its way yet goes any way. */
  #isAlone(entry: Entry<T>, way: string | undefined): boolean {
    if (entry.key === undefined) return true;
    for (const other of this.#underWayOfKey.get(entry.key) ?? []) {
      if (other !== entry && (other.way === undefined || (way !== undefined && other.way !== way)))
        return false;
    }
    return true;
  }

  #leave(offset: bigint): Entry<T> | undefined {
    const entry = this.#underWay.get(offset);
    if (entry === undefined) return undefined;
    this.#underWay.delete(offset);
    if (entry.key !== undefined) {
      const others = this.#underWayOfKey.get(entry.key);
      others?.delete(entry);
      if (others?.size === 0) this.#underWayOfKey.delete(entry.key);
    }
    return entry;
  }

  #put(entry: Entry<T>): void {
    insert(this.#lists[entry.priority ?? 'unknown'], entry);
    if (entry.key !== undefined) {
      const others = this.#ofKey.get(entry.key);
      if (others) insert(others, entry);
      else this.#ofKey.set(entry.key, [entry]);
    }
    this.#size++;
  }

  #unlist(entry: Entry<T>): void {
    remove(this.#lists[entry.priority ?? 'unknown'], entry);
    if (entry.key !== undefined) {
      const others = this.#ofKey.get(entry.key)!;
      remove(others, entry);
      if (others.length === 0) this.#ofKey.delete(entry.key);
    }
    this.#size--;
  }
}

interface Placed {
  readonly offset: bigint;
}

/** In the order of the log; nearly always that is the end. */
function insert<E extends Placed>(list: E[], entry: E): void {
  let index = list.length;
  while (index > 0 && list[index - 1]!.offset > entry.offset) index--;
  list.splice(index, 0, entry);
}

/** Nearly always it is at the head. */
function remove<E extends Placed>(list: E[], entry: E): boolean {
  const index = list.indexOf(entry);
  if (index !== -1) list.splice(index, 1);
  return index !== -1;
}
