import type { Priority } from '../config/types.js';
import { rankOf } from '../priority.js';
import type { Waiting } from './slot-pool.js';

/** Of which caps, and of how many slots, something wants some. */
export interface SlotNeed {
  /** Which caps it counts against. */
  readonly classes: readonly string[];
  /** In records. */
  readonly weight: number;
  readonly priority: Priority;
}

/** Where slots come from. */
export interface SlotSource {
  /** Slots; none where it may go without one; undefined where it must wait. */
  take(need: SlotNeed): readonly string[] | undefined;
  /** They have started nothing. */
  giveBack(slots: readonly string[]): void;
  /** Something waits, and there is no slot for it. */
  wanting(): void;
}

/** What stands behind the gate. */
export interface BehindGate {
  /** Whether there is room for so many records more. */
  room(weight: number): boolean;
  /** Whether nothing may pass, however much room there is. */
  readonly held: boolean;
  /** Whether this priority may, if anything may. If one does all higher ones do. */
  passes(priority: Priority): boolean;
}

interface Entry extends SlotNeed {
  readonly pass: (slots: readonly string[]) => void;
}

/**
 * Where records wait for a slot, before the queue that all share. Each combination of caps has a line of its own, so that
 * what is capped never keeps others out; among those who could go priority decides, and then who came first. Nobody takes a slot
 * while there is no room behind the gate: it would lie idle, and its lease may end meanwhile.
 */
export class SlotGate {
  readonly #source: SlotSource;
  #behind: BehindGate | undefined;
  /** In the order in which they go on. */
  readonly #entries: Entry[] = [];
  #turning = false;
  #short: 'no' | 'yes' | 'high' = 'no';

  constructor(source: SlotSource) {
    this.#source = source;
  }

  open(behind: BehindGate): void {
    this.#behind = behind;
  }

  /**
   * Calls `pass` when there is a slot, perhaps at once.
   * @returns ends the wait: nothing is called afterwards
   */
  wait(need: SlotNeed, pass: (slots: readonly string[]) => void): () => void {
    const entry: Entry = { ...need, pass };
    const index = this.#entries.findLastIndex((other) => rankOf(other.priority) <= rankOf(need.priority));
    this.#entries.splice(index + 1, 0, entry);
    this.turn();
    return () => {
      if (this.#remove(entry)) this.turn();
    };
  }

  giveBack(slots: readonly string[]): void {
    if (slots.length > 0) this.#source.giveBack(slots);
  }

  get waiting(): number {
    return this.#entries.length;
  }

  /** Whether something waits for a slot only, and whether that is of high priority. */
  get short(): 'no' | 'yes' | 'high' {
    return this.#short;
  }

  /** What waits of one line; nothing while it could not go anyway. */
  waitingOf(classes: readonly string[]): Waiting {
    const waiting = { count: 0, high: 0 };
    if (this.#behind?.held !== false) return waiting;
    const line = classes.join(' ');
    for (const entry of this.#entries) {
      if (entry.classes.join(' ') !== line || !this.#behind.passes(entry.priority)) continue;
      waiting.count += entry.weight;
      if (entry.priority === 'high') waiting.high += entry.weight;
    }
    return waiting;
  }

  /** Lets go what may: to be called whenever there may be more room, or more slots. */
  turn(): void {
    if (this.#turning || this.#behind === undefined) return; // who passes makes us turn again
    this.#turning = true;
    this.#short = 'no';
    const shut = new Set<string>();
    try {
      for (const entry of this.#entries.slice()) {
        const behind = this.#behind;
        if (behind.held || !behind.passes(entry.priority) || !behind.room(entry.weight)) break;
        const line = entry.classes.join(' ');
        if (shut.has(line)) continue;
        const slots = this.#source.take(entry);
        if (slots === undefined) {
          if (this.#short !== 'high') this.#short = entry.priority === 'high' ? 'high' : 'yes';
          shut.add(line);
          continue;
        }
        this.#remove(entry);
        entry.pass(slots);
      }
    } finally {
      this.#turning = false;
    }
    if (shut.size > 0) this.#source.wanting();
  }

  #remove(entry: Entry): boolean {
    const index = this.#entries.indexOf(entry);
    if (index !== -1) this.#entries.splice(index, 1);
    return index !== -1;
  }
}
