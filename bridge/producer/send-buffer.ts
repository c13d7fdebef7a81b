import type { Priority } from '../config/types.js';
import type { Outgoing } from './outgoing.js';

export interface SendBufferLimits {
  readonly records: number;
  readonly bytes: number;
}

/**
 * `taken`: it has its place, and so have not those that were dropped for it. `waits`: it stands in the line.
 * `refused`: it has neither.
 */
export interface Admitted {
  readonly verdict: 'taken' | 'waits' | 'refused';
  readonly dropped: readonly Outgoing[];
}

/** Of nearly every record: not made anew for each. */
const TAKEN: Admitted = { verdict: 'taken', dropped: [] };
const NONE: readonly Outgoing[] = [];

const LOWEST_FIRST: readonly Priority[] = ['low', 'medium', 'high'];

/**
 * Who has a place in memory. Priorities decide who is dropped or refused, never the order of leaving: that is the order
 * of acceptance. What is under way is pinned: it can't be taken back.
 */
export class SendBuffer {
  readonly #limits: SendBufferLimits;
  /** What may be dropped, oldest first. */
  readonly #droppable = { low: new Set<Outgoing>(), medium: new Set<Outgoing>(), high: new Set<Outgoing>() };
  readonly #line = new Set<Outgoing>();
  #lineBytes = 0;
  #records = 0;
  #bytes = 0;

  constructor(limits: SendBufferLimits) {
    this.#limits = limits;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a record of this size would be taken at once. */
  hasRoom(bytes: number): boolean {
    return this.#line.size === 0 && this.#fits(bytes);
  }

  /** The oldest that waits for room. */
  get next(): Outgoing | undefined {
    return this.#line.values().next().value;
  }

  admit(record: Outgoing): Admitted {
    const fits = this.#fits(record.bytes);
    if (fits && (this.#line.size === 0 || record.priority === 'high')) {
      this.#take(record);
      return TAKEN;
    }
    if (record.priority === 'low') return { verdict: 'refused', dropped: [] };
    if (record.priority === 'high') {
      const dropped = this.#victims(record.bytes);
      if (dropped) {
        for (const one of dropped) this.release(one);
        this.#take(record);
        return { verdict: 'taken', dropped };
      }
    }
    // The line is as long as the buffer at most: what a caller fires off without waiting must not fill the memory.
    const full =
      this.#line.size >= this.#limits.records || this.#lineBytes + record.bytes > this.#limits.bytes;
    if (full && this.#line.size > 0) return { verdict: 'refused', dropped: [] };
    record.waits = true;
    this.#line.add(record);
    this.#lineBytes += record.bytes;
    return { verdict: 'waits', dropped: [] };
  }

  /** Takes a record in whatever there is: it stands in the place of another one (a dead letter), or was taken before. */
  force(record: Outgoing): void {
    this.#count(record);
  }

  /** It is under way, or its caller has been answered: it can no longer be dropped. */
  pin(record: Outgoing): void {
    this.#droppable[record.priority].delete(record);
  }

  /** It never left. */
  unpin(record: Outgoing): void {
    if (record.ending !== undefined) this.#droppable[record.priority].add(record);
  }

  /** It is done, or has left the memory otherwise. */
  release(record: Outgoing): void {
    this.pin(record);
    this.#records--;
    this.#bytes -= record.bytes;
  }

  /** Lets those in that have room now. @returns them, in the order in which they came */
  letIn(): readonly Outgoing[] {
    if (this.#line.size === 0) return NONE;
    const entered: Outgoing[] = [];
    for (const record of this.#line) {
      if (!this.#fits(record.bytes)) break;
      this.leaveLine(record);
      this.#count(record);
      this.unpin(record);
      entered.push(record);
    }
    return entered;
  }

  /** Its wait is over: it has room, or gave up. */
  leaveLine(record: Outgoing): void {
    if (!this.#line.delete(record)) return;
    record.waits = false;
    this.#lineBytes -= record.bytes;
  }

  #take(record: Outgoing): void {
    this.#count(record);
    this.unpin(record);
  }

  #count(record: Outgoing): void {
    this.#records++;
    this.#bytes += record.bytes;
  }

  /** At least one record, whatever its size. */
  #fits(bytes: number, records = this.#records, held = this.#bytes): boolean {
    return records === 0 || (records < this.#limits.records && held + bytes <= this.#limits.bytes);
  }

  /** The oldest of the lowest priority, as many as make room. `undefined`: all of them would not. */
  #victims(bytes: number): readonly Outgoing[] | undefined {
    const victims: Outgoing[] = [];
    let [records, held] = [this.#records, this.#bytes];
    for (const priority of LOWEST_FIRST) {
      for (const one of this.#droppable[priority]) {
        victims.push(one);
        records--;
        held -= one.bytes;
        if (this.#fits(bytes, records, held)) return victims;
      }
    }
    return undefined;
  }
}
