import type { Outgoing } from './outgoing.js';
import type { PartitionBatch } from './sender.js';

/** What of a partition is under way, or was and may be in the log: it is sent again as it is until that is known. */
export interface Flight {
  readonly records: readonly Outgoing[];
  readonly batch: PartitionBatch;
  /** Whether an answer is awaited. */
  sending: boolean;
  /** Whether an earlier attempt may be in the log. */
  perhapsWritten: boolean;
}

export interface CutLimits {
  readonly bytes: number;
  /** Whether a record may leave before all that stands in the spill file. */
  readonly mayLeave: (record: Outgoing) => boolean;
}

/** What waits for room has a time of its own; what nobody waits for has none. */
export function isExpired({ deadlineMs, ending, waits }: Outgoing, now: number): boolean {
  return deadlineMs <= now && ending !== undefined && !waits;
}

/**
 * The records of one partition, in the order in which they leave: nothing overtakes, not even a retry. Without a
 * partition: those of a topic whose partitions are not known yet; they don't leave, they are placed.
 */
export class Lane {
  readonly topic: string;
  readonly partition: number | undefined;
  flight: Flight | undefined;
  /** Epoch milliseconds: not before, after a failure. */
  notBeforeMs = 0;
  /** Attempts in a row that failed. */
  failures = 0;
  /** Since when the broker does not know the topic. */
  unknownSinceMs: number | undefined;
  /** How many records a batch may have, where a larger one was refused. */
  maxRecords = Infinity;
  /** Records that are being written to the spill file: until they stand there, nothing leaves. */
  spilling = 0;
  #queue: Outgoing[] = [];
  #bytes = 0;
  /** No deadline of those in the queue is before. Not looked for at every record: it is each other's, nearly always. */
  #dueMs = Infinity;

  constructor(topic: string, partition: number | undefined) {
    this.topic = topic;
    this.partition = partition;
  }

  get queue(): readonly Outgoing[] {
    return this.#queue;
  }

  get queuedBytes(): number {
    return this.#bytes;
  }

  get idle(): boolean {
    return this.flight === undefined && this.#queue.length === 0 && this.spilling === 0;
  }

  /** To its place by order: at the end, but for what comes out of the spill file. */
  add(record: Outgoing): void {
    this.#bytes += record.bytes;
    this.#dueMs = Math.min(this.#dueMs, record.deadlineMs);
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.order > record.order) at--;
    if (at === this.#queue.length) this.#queue.push(record);
    else this.#queue.splice(at, 0, record);
  }

  remove(record: Outgoing): boolean {
    const at = this.#queue.indexOf(record);
    if (at < 0) return false;
    this.#queue.splice(at, 1);
    this.#bytes -= record.bytes;
    return true;
  }

  /** Takes all out that fulfil a condition. @returns them, in order */
  removeWhere(condition: (record: Outgoing) => boolean): Outgoing[] {
    const removed = this.#queue.filter(condition);
    if (removed.length === 0) return removed;
    const gone = new Set(removed);
    this.#queue = this.#queue.filter((record) => !gone.has(record));
    for (const { bytes } of removed) this.#bytes -= bytes;
    return removed;
  }

  /** Whether one has waited too long. */
  hasExpired(now: number): boolean {
    if (now < this.#dueMs) return false;
    let found = false;
    this.#dueMs = Infinity;
    for (const record of this.#queue) {
      if (isExpired(record, now)) found = true;
      else if (record.ending !== undefined) this.#dueMs = Math.min(this.#dueMs, record.deadlineMs);
    }
    return found;
  }

  /** When {@link hasExpired} is to be asked again. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Whether its first record may leave. */
  canLeave({ mayLeave }: CutLimits): boolean {
    const [first] = this.#queue;
    return (
      this.partition !== undefined &&
      this.flight === undefined &&
      this.spilling === 0 &&
      first !== undefined &&
      !first.waits &&
      mayLeave(first)
    );
  }

  /** Puts the next batch on its way. Only where {@link canLeave}. */
  depart(limits: CutLimits): Flight {
    let count = 0;
    let bytes = 0;
    for (const record of this.#queue) {
      if (count > 0 && (bytes + record.bytes > limits.bytes || count >= this.maxRecords)) break;
      if (record.waits || !limits.mayLeave(record)) break;
      count++;
      bytes += record.bytes;
    }
    const records = this.#queue.splice(0, count);
    this.#bytes -= bytes;
    const { topic } = this;
    const partition = this.partition!;
    this.flight = {
      records,
      batch: { topic, partition, records },
      sending: false,
      perhapsWritten: false,
    };
    return this.flight;
  }

  /** It is done with, in whatever way. */
  land(): void {
    this.flight = undefined;
  }

  /** It is not in the log: its records stand first in the queue again, as if they had not left. */
  turnBack(): void {
    const { records } = this.flight!;
    this.flight = undefined;
    this.#queue.unshift(...records);
    for (const { bytes, deadlineMs } of records) {
      this.#bytes += bytes;
      this.#dueMs = Math.min(this.#dueMs, deadlineMs);
    }
  }
}
