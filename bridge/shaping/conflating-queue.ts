/**
 * Which of a key's records are started where only the latest of those that wait should be. Pure.
 *
 * What must never happen: an older state is started after a newer one. What could make it happen, and what prevents it:
 *
 * - A crash between the start of a record and the commit of those it superseded: they come again, without it. So a record
 *   starts when the group has committed past all that it superseded.
 * - The owner before us (frozen, cut off, or with a call that is still on its way) starts a record that we have
 *   superseded. So a record starts only below the *reach* that stands in the metadata of a commit of its owner's: what
 *   lies below the reach that we find at our assignment may have been started by others, or will be. None of it is
 *   superseded: we start it too, in order, and whoever is late meets our execution by its ID. A commit of somebody who is
 *   not the owner any more is refused, so nobody's reach grows after that.
 * - Two starts of a key at a time: the second waits until Temporal has the first.
 * - A record that superseded others, waits for their commit, and is superseded itself, and so on: nothing of the key
 *   would ever start. So those that a commit lets start are settled on when it is made; what comes then waits behind them.
 *
 * Not prevented: an operator who rewinds the group or replays a dead letter, another configuration of the owner before us
 * (other routes, decoders or filters), a record that compaction or `maxAgeMs` takes between two owners, and dedupe
 * entries that are gone (the namespace's retention).
 */
import type { Priority } from '../config/types.js';
import type { QueueEntry } from '../intake/lane-queue.js';
import { PRIORITIES } from '../priority.js';

interface Entry<T> extends QueueEntry<T> {
  readonly priority: Priority;
  /** It has the place of the first that it superseded, or a key that changes often would never have its turn. */
  readonly place: bigint;
  /** The last offset that it superseded. */
  readonly past: bigint | undefined;
  /** A commit is made, or has been, that lets it start: it is not superseded any more. */
  isSettledOn: boolean;
}

export class ConflatingQueue<T> {
  readonly #lists: Readonly<Record<Priority, Entry<T>[]>> = { high: [], medium: [], low: [] };
  /** By key: what waits, in the order of the log. */
  readonly #ofKey = new Map<string, Entry<T>[]>();
  readonly #underWay = new Map<bigint, Entry<T>>();
  readonly #keysUnderWay = new Set<string>();
  readonly #settledOn = new Set<Entry<T>>();
  readonly #settlesOn: number;
  /** Where the group stands, by a commit that succeeded. */
  #position = 0n;
  /** Everything below it may be started, by whoever committed it. */
  #reach = 0n;
  /** Everything below it may be started by owners before us. */
  #inherited = 0n;

  /** @param settlesOn how many may be settled on and not be started: the others can still be superseded */
  constructor(settlesOn: number) {
    this.#settlesOn = settlesOn;
  }

  get size(): number {
    return PRIORITIES.reduce((size, priority) => size + this.#lists[priority].length, 0);
  }

  /** Where the group stands at our assignment, and how far owners before us may have started. */
  placed(position: bigint, reach: bigint): void {
    this.#inherited = reach;
    this.committed(position, reach);
  }

  /** A commit of ours has succeeded. */
  committed(position: bigint, reach: bigint): void {
    if (position > this.#position) this.#position = position;
    if (reach > this.#reach) this.#reach = reach;
  }

  /** Whether something waits for a commit that reaches farther, though its position may stay. */
  get wantsCommit(): boolean {
    if (this.#settledOn.size >= this.#settlesOn) return false;
    return PRIORITIES.some((priority) =>
      this.#lists[priority].some((entry) => this.#isFirst(entry) && entry.offset >= this.#reach),
    );
  }

  /** A commit of this position is about to be made: settles on what it lets start. @returns how far it must reach for that */
  settleOn(position: bigint): bigint {
    let reach = this.#reach;
    for (const entry of PRIORITIES.flatMap((priority) => this.#lists[priority])) {
      if (entry.key === undefined || !this.#isFirst(entry)) continue;
      if (entry.past !== undefined && entry.past >= position) continue;
      if (!entry.isSettledOn && this.#settledOn.size >= this.#settlesOn) continue;
      entry.isSettledOn = true;
      this.#settledOn.add(entry);
      if (entry.offset >= reach) reach = entry.offset + 1n;
    }
    return reach;
  }

  /** @returns what it supersedes, which is done with that */
  add(item: T, offset: bigint, key: string | undefined, priority: Priority): T | undefined {
    const before = key === undefined ? undefined : this.#ofKey.get(key)?.at(-1);
    const superseded =
      before && !before.isSettledOn && before.offset >= this.#inherited && before.offset < offset
        ? before
        : undefined;
    if (superseded) this.#unlist(superseded);
    this.#list({
      item,
      offset,
      key,
      priority,
      place: superseded?.place ?? offset,
      past: superseded?.offset,
      isSettledOn: false,
    });
    return superseded?.item;
  }

  has(priority: Priority): boolean {
    return this.#lists[priority].some((entry) => this.#isFirst(entry) && this.#isCommitted(entry));
  }

  /** The first that may start. */
  take(priority: Priority): QueueEntry<T> | undefined {
    const entry = this.#lists[priority].find((one) => this.#isFirst(one) && this.#isCommitted(one));
    if (entry === undefined) return undefined;
    this.#unlist(entry);
    this.#underWay.set(entry.offset, entry);
    if (entry.key !== undefined) this.#keysUnderWay.add(entry.key);
    return entry;
  }

  /** There is one way only: a key's records start one by one. */
  goes(): boolean {
    return true;
  }

  /** It was not started: it waits again, and is the next one of its key. */
  back(offset: bigint): boolean {
    const entry = this.#leave(offset);
    if (entry) this.#list({ ...entry, isSettledOn: true });
    return entry !== undefined;
  }

  /** Temporal has it. */
  done(offset: bigint): void {
    this.#leave(offset);
  }

  #isFirst({ key, offset }: Entry<T>): boolean {
    if (key === undefined) return true;
    return !this.#keysUnderWay.has(key) && this.#ofKey.get(key)?.[0]?.offset === offset;
  }

  #isCommitted({ key, offset, past }: Entry<T>): boolean {
    if (key === undefined) return true;
    return offset < this.#reach && (past === undefined || past < this.#position);
  }

  #list(entry: Entry<T>): void {
    insert(this.#lists[entry.priority], entry, ({ place }) => place);
    if (entry.key === undefined) return;
    const others = this.#ofKey.get(entry.key);
    if (others) insert(others, entry, ({ offset }) => offset);
    else this.#ofKey.set(entry.key, [entry]);
  }

  #unlist(entry: Entry<T>): void {
    const list = this.#lists[entry.priority];
    list.splice(list.indexOf(entry), 1);
    this.#settledOn.delete(entry);
    if (entry.key === undefined) return;
    const others = this.#ofKey.get(entry.key)!;
    others.splice(others.indexOf(entry), 1);
    if (others.length === 0) this.#ofKey.delete(entry.key);
  }

  #leave(offset: bigint): Entry<T> | undefined {
    const entry = this.#underWay.get(offset);
    if (entry === undefined) return undefined;
    this.#underWay.delete(offset);
    if (entry.key !== undefined) this.#keysUnderWay.delete(entry.key);
    return entry;
  }
}

function insert<E>(list: E[], entry: E, placeOf: (entry: E) => bigint): void {
  let index = list.length;
  while (index > 0 && placeOf(list[index - 1]!) > placeOf(entry)) index--;
  list.splice(index, 0, entry);
}
