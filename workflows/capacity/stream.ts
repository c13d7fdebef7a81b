import type { NumberRanges } from './contract.js';
import { NumberSet } from './numbers.js';

/** How long a lease lasts; and how late a message may be before we believe what it tells of an earlier time. */
export const LEASE_MS = 5_000;
/** For so long a stream without open numbers is remembered, so that a bridge that comes back finds what it has used. */
const REMEMBERED_MS = 60_000;
const USE_GROUPS = 12;

/** Numbers below `to` were used at `at`, the earliest of them after `from` (but for what is told late). */
interface Use {
  readonly to: number;
  readonly from: number;
  readonly at: number;
}

export interface StreamCarry {
  readonly id: string;
  readonly bridge: string;
  readonly classes: readonly string[];
  readonly next: number;
  readonly lent: number;
  readonly floor: number;
  readonly released: NumberRanges;
  readonly toldAt: number;
  readonly endedAt: number | null;
  readonly unsure: { readonly below: number; readonly since: number } | null;
  readonly uses: readonly Use[];
  readonly demand: number;
  readonly high: number;
}

/** The numbers of one stream: which were lent, and which of these came back. */
export class Stream {
  readonly id: string;
  readonly bridge: string;
  classes: readonly string[];
  demand = 0;
  high = 0;
  /** The first number that is not used, as far as its bridge has told. */
  #next = 0;
  /** Numbers below are lent. */
  #lent = 0;
  /** Below it everything has come back, and at or above it, what `#released` holds. */
  #floor = 0;
  #released = new NumberSet();
  #toldAt: number;
  /** Whether its bridge has told of it before. */
  #known = false;
  /** When its lease was seen to have ended. */
  #endedAt: number | null = null;
  /** Numbers of which we have learnt from its bridge only: of them we don't know which have come back. */
  #unsure: StreamCarry['unsure'] = null;
  #uses: Use[] = [];

  constructor(id: string, bridge: string, classes: readonly string[], toldAt: number) {
    this.id = id;
    this.bridge = bridge;
    this.classes = classes;
    this.#toldAt = toldAt;
  }

  static from(carry: StreamCarry): Stream {
    const stream = new Stream(carry.id, carry.bridge, carry.classes, carry.toldAt);
    stream.demand = carry.demand;
    stream.high = carry.high;
    stream.#known = true;
    stream.#next = carry.next;
    stream.#lent = carry.lent;
    stream.#floor = carry.floor;
    stream.#released = NumberSet.from(carry.released);
    stream.#endedAt = carry.endedAt;
    stream.#unsure = carry.unsure;
    stream.#uses = [...carry.uses];
    return stream;
  }

  get lent(): number {
    return this.#lent;
  }

  get floor(): number {
    return this.#floor;
  }

  get fragments(): number {
    return this.#released.ranges.length;
  }

  /** Lent, and not come back. */
  get open(): number {
    return this.#lent - this.#floor - this.#released.size;
  }

  /** Open and used, as far as is known: what a dead bridge has used nobody knows. */
  get used(): number {
    if (this.#endedAt !== null) return this.open;
    return Math.max(0, this.#next - this.#floor - this.#released.countWithin(this.#floor, this.#next - 1));
  }

  /** Whether its bridge may still use what is lent. */
  leases(nowMs: number): boolean {
    return this.#endedAt === null && nowMs < this.#toldAt + LEASE_MS;
  }

  /** Whether nothing of it is left, and nobody comes back to it. */
  isOver(nowMs: number): boolean {
    return this.open === 0 && this.#endedAt !== null && nowMs - this.#endedAt > REMEMBERED_MS;
  }

  /**
   * Its bridge tells how far it is. A stream that is new to us is taken as it stands: the workflow before us may have
   * been terminated, and what the bridge holds must not be lent twice. At most `most` numbers are taken for open.
   * @returns whether we have learnt of numbers in use that we had not lent
   */
  told(next: number, upTo: number, slotLeaseMs: number, most: number, nowMs: number): boolean {
    const isNew = !this.#known;
    this.#known = true;
    const learnt = next > this.#lent;
    if (learnt) {
      this.#released.addRange(this.#lent, next - most - 1);
      this.#unsure = { below: next, since: nowMs };
      this.#lent = next;
    }
    if (isNew && upTo > next) this.#lent = Math.min(upTo, next + most);
    if (next > this.#next) {
      this.#next = next;
      this.#noteUse(next, slotLeaseMs, nowMs);
    }
    this.#giveBackFrom(Math.max(upTo, this.#next));
    this.#toldAt = nowMs;
    this.#endedAt = null;
    this.#compact();
    return learnt || (isNew && this.open > 0);
  }

  lend(count: number): void {
    this.#lent += count;
    this.demand -= count;
    this.high = Math.max(0, this.high - count);
  }

  /** Its bridge has said farewell: it will use nothing more, and what is used comes back as ever. */
  end(): void {
    this.demand = 0;
    this.high = 0;
    this.#giveBackFrom(this.#next);
  }

  /** Numbers that come back; what was not lent can't. @returns how many were no number of ours */
  release(numbers: NumberSet): number {
    let strange = 0;
    for (const [from, to] of numbers.ranges) {
      strange += Math.max(0, to - Math.max(from, this.#lent) + 1);
      this.#released.addRange(Math.max(from, this.#floor), Math.min(to, this.#lent - 1));
    }
    this.#compact();
    return strange;
  }

  /** Those below `next` only: what its bridge has used to start nothing. */
  takeBack(numbers: NumberSet): void {
    const used = NumberSet.from(numbers.toString());
    used.deleteRange(this.#next, Number.MAX_SAFE_INTEGER);
    this.release(used);
  }

  /** Looks whether the lease has ended: from the moment that this is *seen*, so that a clock that jumps takes nothing. */
  look(nowMs: number): void {
    if (this.#endedAt !== null || nowMs < this.#toldAt + LEASE_MS) return;
    this.#endedAt = nowMs;
    this.demand = 0;
    this.high = 0;
  }

  /**
   * At `provedAt` no task waited, and since then every worker has told what it has in hand: `kept`. What is open, not in
   * hand, and older than anything that could be under way comes back.
   */
  reclaim(kept: NumberSet, slotLeaseMs: number, provedAt: number): void {
    const ended = this.#endedAt !== null && provedAt > this.#endedAt + LEASE_MS ? this.#lent : 0;
    const unsure = this.#unsure && provedAt > this.#unsure.since + LEASE_MS ? this.#unsure.below : 0;
    const old = Math.max(
      0,
      ...this.#uses.filter((use) => provedAt > use.at + slotLeaseMs).map(({ to }) => to),
    );
    const below = Math.max(ended, unsure, old);
    if (below <= this.#floor) return;
    const lost = new NumberSet();
    lost.addRange(this.#floor, below - 1);
    for (const [from, to] of kept.ranges) lost.deleteRange(from, to);
    this.release(lost);
  }

  /** Of these numbers, those that are open. */
  openOf(numbers: NumberSet): NumberSet {
    const open = new NumberSet();
    for (const [from, to] of numbers.ranges) {
      open.addRange(Math.max(from, this.#floor), Math.min(to, this.#lent - 1));
    }
    for (const [from, to] of this.#released.ranges) open.deleteRange(from, to);
    return open;
  }

  carry(): StreamCarry {
    return {
      id: this.id,
      bridge: this.bridge,
      classes: this.classes,
      next: this.#next,
      lent: this.#lent,
      floor: this.#floor,
      released: this.#released.toString(),
      toldAt: this.#toldAt,
      endedAt: this.#endedAt,
      unsure: this.#unsure,
      uses: [...this.#uses],
      demand: this.demand,
      high: this.high,
    };
  }

  /** A number at or above is used by nobody, whatever was said of it. */
  #giveBackFrom(number: number): void {
    if (number >= this.#lent) return;
    this.#lent = number;
    this.#floor = Math.min(this.#floor, number);
    this.#released.deleteRange(number, Number.MAX_SAFE_INTEGER);
  }

  /** In groups, each with the time of its last: a number counts as used later than it was, never earlier. */
  #noteUse(to: number, slotLeaseMs: number, nowMs: number): void {
    const last = this.#uses.at(-1);
    if (last && nowMs - last.from < slotLeaseMs / USE_GROUPS) {
      this.#uses[this.#uses.length - 1] = { to, from: last.from, at: nowMs };
    } else this.#uses.push({ to, from: nowMs, at: nowMs });
    if (this.#uses.length > 2 * USE_GROUPS) this.#uses.splice(0, this.#uses.length - 2 * USE_GROUPS);
  }

  #compact(): void {
    const [first] = this.#released.ranges;
    if (first && first[0] <= this.#floor) {
      this.#floor = Math.max(this.#floor, first[1] + 1);
      this.#released.deleteRange(0, this.#floor - 1);
    }
    this.#uses = this.#uses.filter(({ to }) => to > this.#floor);
    if (this.#unsure && this.#unsure.below <= this.#floor) this.#unsure = null;
  }
}
