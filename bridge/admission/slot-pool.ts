import {
  slotText,
  parseSlot,
  type CircuitName,
  type Lease,
  type StreamState,
} from '../../workflows/capacity/contract.js';
import { NumberSet } from '../../workflows/capacity/numbers.js';

export interface SlotPoolOptions {
  /** Of this process: 8 of `[a-z0-9]`. */
  readonly bridge: string;
  /** By class: how many of its records may be in work. */
  readonly caps: ReadonlyMap<string, number>;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** What waits for slots of one stream. */
export interface Waiting {
  /** In records. */
  readonly count: number;
  /** Of them: of high priority. */
  readonly high: number;
}

/** A stream's numbers, as far as this bridge uses them. */
interface Stream {
  readonly id: string;
  readonly classes: readonly string[];
  next: number;
  upTo: number;
  /** By the sequence of the request that tells of them first; `undefined`: not told yet. */
  readonly returned: { readonly number: number; toldIn: number | undefined }[];
  /** How many were left, and not used yet, when the last lease came. */
  lent: number;
  /** Since the last request. */
  taken: number;
  /** Numbers used in a second, of late. */
  rate: number;
  /** When a record of high priority was last here. */
  highSeenAt: number;
}

/** A stream that asks for some asks for so many at least: one partition shows one waiting record at a time. */
const STEP = 10;
/** Slots for so many seconds, at the pace of late. */
const AHEAD_S = 2;
const SHORTEST_S = 0.25;
const HIGH_REMEMBERED_MS = 60_000;
const RESERVE = 0.1;

/**
 * The slots that are lent to this bridge. Pure but for its clock: a number is handed out once, in order, below what the
 * last lease allows, and never after the lease has ended. What a lease lends beyond what is wanted goes back with the next
 * request: another bridge may need it.
 */
export class SlotPool {
  readonly #options: SlotPoolOptions;
  /** By their classes. */
  readonly #streams = new Map<string, Stream>();
  #until = Number.NEGATIVE_INFINITY;
  #requestedAt = Number.NEGATIVE_INFINITY;
  #limit = Number.POSITIVE_INFINITY;
  #bridges = 1;
  #circuit: CircuitName = 'closed';

  constructor(options: SlotPoolOptions) {
    this.#options = options;
  }

  /** Whether a lease holds now. */
  get leased(): boolean {
    return this.#options.now() < this.#until;
  }

  /** By the pool's clock: when the lease ends. */
  get until(): number {
    return this.#until;
  }

  /**
   * So many slots, or undefined where there are not enough: all of them are of this one permit. The last tenth is for
   * records of high priority where one was seen in the last minute; with an open circuit all are.
   */
  take(classes: readonly string[], count: number, high: boolean): readonly string[] | undefined {
    const stream = this.#streamOf(classes);
    if (high) stream.highSeenAt = this.#options.now();
    if (!this.leased) return undefined;
    if (!high && this.#circuit === 'open') return undefined;
    const free = stream.upTo - stream.next - (high ? 0 : this.#reserveOf(stream));
    if (free < count) return undefined;
    const slots = Array.from({ length: count }, (_, index) => slotText(stream.id, stream.next + index));
    stream.next += count;
    stream.taken += count;
    return slots;
  }

  /** Of slots that were taken here: they have started nothing. */
  giveBack(slots: readonly string[]): void {
    for (const text of slots) {
      const slot = parseSlot(text);
      const stream = [...this.#streams.values()].find(({ id }) => id === slot?.stream);
      if (!slot || !stream || slot.number >= stream.next) continue;
      if (stream.returned.some(({ number }) => number === slot.number)) continue;
      stream.returned.push({ number: slot.number, toldIn: undefined });
    }
  }

  /**
   * What the next request says. What goes back with it can't be taken any more, whatever becomes of the request.
   * @param waiting by a stream's classes; `undefined`: nothing is wanted, and everything goes back
   */
  request(
    sequence: number,
    waiting: ((classes: readonly string[]) => Waiting) | undefined,
  ): readonly StreamState[] {
    const now = this.#options.now();
    const seconds = Math.max(SHORTEST_S, (now - this.#requestedAt) / 1000);
    this.#requestedAt = now;
    return [...this.#streams.values()].map((stream) => {
      stream.rate = Math.max(stream.taken / seconds, stream.rate / 2);
      stream.taken = 0;
      const { count, high } = waiting?.(stream.classes) ?? { count: 0, high: 0 };
      const wanted =
        waiting === undefined ? 0 : this.#wanted(stream, this.#circuit === 'open' ? high : count);
      // Of a lease that has ended nothing is left: others may have it by now.
      const kept = this.leased ? Math.max(stream.upTo, stream.next) : stream.next;
      stream.upTo = Math.min(kept, stream.next + wanted);
      for (const one of stream.returned) one.toldIn ??= sequence;
      const returned = new NumberSet();
      for (const { number } of stream.returned) returned.add(number);
      const demand = wanted - (stream.upTo - stream.next);
      return {
        id: stream.id,
        classes: stream.classes,
        next: stream.next,
        upTo: stream.upTo,
        demand,
        high: Math.min(demand, high),
        returned: returned.toString(),
      };
    });
  }

  /** @returns whether there is more to take than before */
  granted(lease: Lease, madeAt: number): boolean {
    this.#until = madeAt + lease.forMs;
    this.#limit = lease.limit;
    this.#bridges = Math.max(1, lease.bridges);
    this.#circuit = lease.circuit;
    let more = false;
    for (const stream of this.#streams.values()) {
      const upTo = lease.upTo[stream.id] ?? stream.next;
      if (upTo > Math.max(stream.upTo, stream.next)) more = true;
      stream.upTo = upTo;
      stream.lent = Math.max(0, upTo - stream.next);
      const left = stream.returned.filter(({ toldIn }) => toldIn === undefined || toldIn > lease.sequence);
      stream.returned.splice(0, stream.returned.length, ...left);
    }
    return more;
  }

  /** Whether something is lent and not used, or was used or given back and is not told yet. */
  get unsettled(): boolean {
    return [...this.#streams.values()].some(
      ({ next, upTo, taken, returned }) => (upTo > next && this.leased) || taken > 0 || returned.length > 0,
    );
  }

  /** Whether something was used since the last request. */
  get used(): boolean {
    return [...this.#streams.values()].some(({ taken }) => taken > 0);
  }

  /** Whether less than half of what was lent of some stream is left. */
  get runsShort(): boolean {
    return [...this.#streams.values()].some(({ next, upTo, lent }) => lent > 0 && upTo - next < lent / 2);
  }

  #streamOf(classes: readonly string[]): Stream {
    const key = classes.join(' ');
    let stream = this.#streams.get(key);
    if (!stream) {
      const id = `${this.#options.bridge}.${this.#streams.size}`;
      const fresh = { next: 0, upTo: 0, returned: [], lent: 0, taken: 0, rate: 0 };
      stream = { id, classes: [...classes], ...fresh, highSeenAt: Number.NEGATIVE_INFINITY };
      this.#streams.set(key, stream);
    }
    return stream;
  }

  /** Unused slots that it should have now: for what waits, what will come as fast as of late, and what is kept for high priority. */
  #wanted(stream: Stream, waiting: number): number {
    const soon = Math.max(waiting, waiting > 0 ? STEP : 0, Math.floor(AHEAD_S * stream.rate));
    return Math.min(soon + this.#reserveOf(stream), this.#mostOf(stream));
  }

  #reserveOf(stream: Stream): number {
    if (this.#options.now() - stream.highSeenAt > HIGH_REMEMBERED_MS) return 0;
    const share = this.#mostOf(stream) / this.#bridges;
    // Where one slot is all there is, keeping it would keep everything else out.
    return share < 2 ? 0 : Math.max(1, Math.floor(share * RESERVE));
  }

  /** What a stream may hold at most, as far as this bridge knows. */
  #mostOf({ classes }: Stream): number {
    return Math.min(
      this.#limit,
      ...classes.map((one) => this.#options.caps.get(one) ?? Number.POSITIVE_INFINITY),
    );
  }
}
