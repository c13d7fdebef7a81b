import type { NumberRanges, Sum, WorkerReport } from '../../workflows/capacity/contract.js';
import { NumberSet } from '../../workflows/capacity/numbers.js';

/** A record's slot: a number of a stream. */
export interface Slot {
  readonly stream: string;
  readonly number: number;
}

export type LedgerEntries = Pick<WorkerReport, 'responses' | 'waits' | 'released' | 'running' | 'others'>;

/**
 * What the capacity workflow takes in one report: a larger one it would ignore as a whole. A range has 31 characters at
 * most, and a stream's text 20,000.
 */
const MAX_RANGES = 600;
const MAX_STREAMS = 200;

/** Streams that end while calls of theirs are still to be heard of: what is noted of them must not grow for ever. */
const MAX_EARLY_STREAMS = 1_000;

/**
 * What has happened in this worker process, as its reports tell it. Sums are cumulative and what runs is absolute; only
 * released numbers wait for a report that the server took: they are told until then.
 */
export class CapacityLedger {
  /** Told by {@link take} and not confirmed. */
  readonly #told = new Map<string, NumberSet>();
  readonly #untold = new Map<string, NumberSet>();
  #pending = 0;
  /** Calls under way, by stream and number: a record may have several. */
  readonly #running = new Map<string, Map<number, number>>();
  #calls = 0;
  #others = 0;
  #responses: Sum = { count: 0, sumMs: 0 };
  #waits: Sum = { count: 0, sumMs: 0 };
  /** Released by an activity of a workflow that is its record's handler, and will tell its whole time at its end. */
  readonly #early = new Map<string, NumberSet>();
  #onChange: () => void = () => undefined;

  /** Called after each change that a report could have to tell of. */
  set onChange(listener: () => void) {
    this.#onChange = listener;
  }

  /** Activities under way. */
  get calls(): number {
    return this.#calls;
  }

  /** Since the process began. */
  get responses(): Sum {
    return this.#responses;
  }

  /** Numbers released that no report has told of yet. */
  get pending(): number {
    return this.#pending;
  }

  waited(ms: number): void {
    this.#waits = plus(this.#waits, ms);
  }

  responded(ms: number): void {
    this.#responses = plus(this.#responses, Math.max(0, ms));
  }

  callBegan(slot: Slot | undefined): void {
    this.#calls++;
    if (slot) {
      const numbers = entryOf(this.#running, slot.stream, () => new Map<number, number>());
      numbers.set(slot.number, (numbers.get(slot.number) ?? 0) + 1);
    } else this.#others++;
    this.#onChange();
  }

  callEnded(slot: Slot | undefined): void {
    this.#calls--;
    if (slot) {
      const numbers = this.#running.get(slot.stream);
      const left = (numbers?.get(slot.number) ?? 1) - 1;
      if (left > 0) numbers?.set(slot.number, left);
      else numbers?.delete(slot.number);
      if (numbers?.size === 0) this.#running.delete(slot.stream);
    } else this.#others--;
    this.#onChange();
  }

  released({ stream, number }: Slot): void {
    const numbers = entryOf(this.#untold, stream, () => new NumberSet());
    if (numbers.has(number)) return;
    numbers.add(number);
    this.#pending++;
    this.#onChange();
  }

  /** By an activity, while the workflow that handles its record goes on. */
  releasedEarly(slot: Slot): void {
    if (!this.#early.has(slot.stream) && this.#early.size >= MAX_EARLY_STREAMS) this.#early.clear();
    entryOf(this.#early, slot.stream, () => new NumberSet()).add(slot.number);
    this.released(slot);
  }

  /** By the workflow that handles its record. */
  releasedByWorkflow(slot: Slot, responseMs: number | null): void {
    const early = this.#early.get(slot.stream);
    if (early?.has(slot.number)) {
      early.delete(slot.number);
      if (early.size === 0) this.#early.delete(slot.stream);
    } else if (responseMs !== null) this.responded(responseMs);
    this.released(slot);
  }

  /** What a report tells: with all that no report was confirmed for. */
  take(): LedgerEntries {
    for (const [stream, numbers] of this.#untold) this.#tell(stream, numbers);
    return {
      responses: this.#responses,
      waits: this.#waits,
      released: asText(this.#told),
      running: asText(
        new Map(
          [...this.#running].map(([stream, numbers]) => {
            const set = new NumberSet();
            for (const number of numbers.keys()) set.add(number);
            return [stream, set] as const;
          }),
        ),
      ),
      others: this.#others,
    };
  }

  /** As much of it as a report may hold; the rest waits for the next one. */
  #tell(stream: string, numbers: NumberSet): void {
    if (!this.#told.has(stream) && this.#told.size >= MAX_STREAMS) return;
    const told = entryOf(this.#told, stream, () => new NumberSet());
    for (const [from, to] of [...numbers.ranges].slice(0, Math.max(0, MAX_RANGES - told.ranges.length))) {
      told.addRange(from, to);
      numbers.deleteRange(from, to);
      this.#pending -= to - from + 1;
    }
    if (numbers.ranges.length === 0) this.#untold.delete(stream);
  }

  /** The server took what {@link take} told last. */
  confirm(): void {
    this.#told.clear();
  }
}

function plus({ count, sumMs }: Sum, ms: number): Sum {
  return { count: count + 1, sumMs: sumMs + Math.round(ms) };
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

function asText(sets: ReadonlyMap<string, NumberSet>): Record<string, NumberRanges> {
  return Object.fromEntries([...sets].map(([stream, numbers]) => [stream, numbers.toString()]));
}
