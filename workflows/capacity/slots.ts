import type { StreamState } from './contract.js';
import { NumberSet } from './numbers.js';
import { fairShares, spread, type Waiting } from './shares.js';
import { Stream, type StreamCarry } from './stream.js';

const MOST_STREAMS = 500;
/** Holes of all streams together: what a hostile worker could make the carry grow by. */
const MOST_FRAGMENTS = 10_000;

/** How much may be lent, and to whom first. */
export interface Room {
  readonly limit: number;
  /** By class. */
  readonly caps: ReadonlyMap<string, number>;
  /** The bridges that live, the one that has got nothing for longest first. */
  readonly turns: readonly string[];
  /** Only what is urgent counts as demand. */
  readonly highOnly: boolean;
}

/** The slots of a task queue: what is lent to whom, and what has come back. */
export class Slots {
  readonly #streams: Map<string, Stream>;

  constructor(carry: readonly StreamCarry[]) {
    this.#streams = new Map(carry.map((one) => [one.id, Stream.from(one)]));
  }

  /** Lent, and not come back. */
  get open(): number {
    return this.#sum((stream) => stream.open);
  }

  /** Open and used, as far as is known. */
  get used(): number {
    return this.#sum((stream) => stream.used);
  }

  openOf(bridge: string): number {
    return this.#sum((stream) => (stream.bridge === bridge ? stream.open : 0));
  }

  openIn(name: string): number {
    return this.#sum((stream) => (stream.classes.includes(name) ? stream.open : 0));
  }

  demandOf(bridge: string): number {
    return this.#sum((stream) => (stream.bridge === bridge ? stream.demand : 0));
  }

  get demand(): number {
    return this.#sum((stream) => stream.demand);
  }

  has(bridge: string): boolean {
    return [...this.#streams.values()].some((stream) => stream.bridge === bridge);
  }

  /** What a bridge tells of one stream. @returns `strange` where it can't be; `learnt` as {@link Stream.told} */
  told(
    bridge: string,
    state: StreamState,
    slotLeaseMs: number,
    most: number,
    nowMs: number,
  ): 'strange' | 'learnt' | 'known' {
    let stream = this.#streams.get(state.id);
    if (!stream) {
      if (this.#streams.size >= MOST_STREAMS) return 'strange';
      stream = new Stream(state.id, bridge, [...state.classes], nowMs);
      this.#streams.set(state.id, stream);
    }
    const learnt = stream.told(state.next, state.upTo, slotLeaseMs, most, nowMs);
    stream.takeBack(NumberSet.from(state.returned));
    stream.demand = state.demand;
    stream.high = Math.min(state.high, state.demand);
    return learnt ? 'learnt' : 'known';
  }

  /** A bridge goes. */
  end(bridge: string): void {
    for (const stream of this.#of(bridge)) stream.end();
  }

  /** Numbers of a stream have come back. @returns false where it is no stream of ours, or never lent some of them */
  release(id: string, numbers: NumberSet): boolean {
    const stream = this.#streams.get(id);
    if (!stream || this.#fragments + numbers.ranges.length > MOST_FRAGMENTS) return false;
    return stream.release(numbers) === 0;
  }

  openNumbers(id: string, numbers: NumberSet): NumberSet {
    return this.#streams.get(id)?.openOf(numbers) ?? new NumberSet();
  }

  /** Leases end, and streams of which nothing is left are forgotten. */
  look(nowMs: number): void {
    for (const stream of this.#streams.values()) {
      stream.look(nowMs);
      if (stream.isOver(nowMs)) this.#streams.delete(stream.id);
    }
  }

  /** See {@link Stream.reclaim}. */
  reclaim(inHand: (stream: string) => NumberSet, slotLeaseMs: number, provedAt: number): void {
    for (const stream of this.#streams.values()) stream.reclaim(inHand(stream.id), slotLeaseMs, provedAt);
  }

  /**
   * Lends to one bridge what is its due: of the limit, and of each class, no more than its fair share among those that
   * live. What the dead hold is nobody's to share.
   * @returns how many
   */
  lend(bridge: string, room: Room): number {
    const { turns } = room;
    const mine = turns.indexOf(bridge);
    const free = room.limit - this.open;
    if (mine === -1 || free <= 0) return 0;
    const waiting = turns.map((id) => this.#waiting(id, room.highOnly));
    const rooms = this.#classShares(room, waiting);
    const open = turns.map((id) => this.openOf(id));
    const wanted = open.map(
      (count, index) => count + sumOf(spread(Infinity, waiting[index]!, rooms[index]!)),
    );
    const shares = fairShares(room.limit - (this.open - sumOf(open)), wanted);
    const due = Math.max(0, Math.min(free, shares[mine]! - open[mine]!));
    let given = spread(due, waiting[mine]!, rooms[mine]!);
    if (sumOf(given) === 0) {
      // Shares of the limit and of several classes can cross so that nobody is due anything. Whoever has waited for
      // longest, of those that could go on, does.
      const left = new Map([...room.caps].map(([name, cap]) => [name, cap - this.openIn(name)]));
      const first = waiting.findIndex((one) => sumOf(spread(1, one, left)) > 0);
      if (first === mine) given = spread(1, waiting[mine]!, left);
    }
    for (const [index, { stream }] of waiting[mine]!.entries()) stream.lend(given[index]!);
    return sumOf(given);
  }

  /** By stream, the bound of what is lent: of those that this bridge has told of last. */
  upTo(bridge: string, nowMs: number): Record<string, number> {
    return Object.fromEntries(
      this.#of(bridge)
        .filter((stream) => stream.leases(nowMs))
        .map(({ id, lent }) => [id, lent]),
    );
  }

  carry(): StreamCarry[] {
    return [...this.#streams.values()].map((stream) => stream.carry());
  }

  #waiting(bridge: string, highOnly: boolean): (Waiting & { readonly stream: Stream })[] {
    return this.#of(bridge).map((stream) => {
      const { classes, demand, high } = stream;
      return { stream, classes, high, demand: highOnly ? high : demand };
    });
  }

  /** For each bridge, by class: how much more it may have. */
  #classShares({ caps, turns }: Room, waiting: readonly (readonly Waiting[])[]): Map<string, number>[] {
    const rooms = turns.map(() => new Map<string, number>());
    for (const [name, cap] of caps) {
      const all = this.openIn(name);
      const open = turns.map((id) => sumOf(this.#of(id).map((one) => (isIn(one, name) ? one.open : 0))));
      const wanted = waiting.map(
        (streams, index) => open[index]! + sumOf(streams.map((one) => (isIn(one, name) ? one.demand : 0))),
      );
      for (const [index, share] of fairShares(cap - (all - sumOf(open)), wanted).entries()) {
        rooms[index]!.set(name, Math.max(0, Math.min(share - open[index]!, cap - all)));
      }
    }
    return rooms;
  }

  get #fragments(): number {
    return this.#sum((stream) => stream.fragments);
  }

  #of(bridge: string): Stream[] {
    return [...this.#streams.values()].filter((stream) => stream.bridge === bridge);
  }

  #sum(count: (stream: Stream) => number): number {
    let sum = 0;
    for (const stream of this.#streams.values()) sum += count(stream);
    return sum;
  }
}

function isIn(one: { readonly classes: readonly string[] }, name: string): boolean {
  return one.classes.includes(name);
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
