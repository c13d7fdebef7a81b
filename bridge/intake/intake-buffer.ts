/**
 * The bridge's memory, in records and bytes, whatever the backlog: Kafka is the buffer. Pure. A partition over its
 * share is paused alone; all are when the whole budget is used.
 */
export interface IntakeBufferLimits {
  readonly records: number;
  readonly bytes: number;
  /** Records that a partition may always hold. */
  readonly minimumShare: number;
}

interface Held {
  records: number;
  bytes: number;
}

export class IntakeBuffer<P> {
  readonly #limits: IntakeBufferLimits;
  readonly #held = new Map<P, Held>();
  #records = 0;
  #bytes = 0;
  #full = false;

  constructor(limits: IntakeBufferLimits) {
    this.#limits = limits;
  }

  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Partitions share the budget evenly. */
  open(partition: P): void {
    this.#held.set(partition, { records: 0, bytes: 0 });
  }

  /** What a lost partition held weighs no more. */
  close(partition: P): void {
    const held = this.#held.get(partition);
    if (!held) return;
    this.#held.delete(partition);
    this.#records -= held.records;
    this.#bytes -= held.bytes;
    this.#turn();
  }

  /** Takes a record's weight, if there is room. A record larger than the budget passes alone, or it never would. */
  take(partition: P, bytes: number): boolean {
    const held = this.#held.get(partition);
    if (!held || this.#full || this.overShare(partition)) return false;
    const { limits } = this;
    const wouldFit = this.#records < limits.records && this.#bytes + bytes <= limits.bytes;
    if (!wouldFit && this.#records > 0) {
      this.#full = true;
      return false;
    }
    held.records++;
    held.bytes += bytes;
    this.#records++;
    this.#bytes += bytes;
    this.#turn();
    return true;
  }

  give(partition: P, bytes: number): void {
    const held = this.#held.get(partition);
    if (!held) return;
    held.records--;
    held.bytes -= bytes;
    this.#records--;
    this.#bytes -= bytes;
    this.#turn();
  }

  /** Whether nothing more may be fetched for this partition now. */
  shouldPause(partition: P): boolean {
    return this.#full || this.overShare(partition);
  }

  /** Whether a paused partition may go on: not before it is down to half, or it would pause and resume at each record. */
  mayResume(partition: P): boolean {
    const held = this.#held.get(partition);
    if (!held || this.#full) return false;
    return (
      held.records <= this.#shareRecords / 2 && (held.bytes <= this.#shareBytes / 2 || held.records === 0)
    );
  }

  overShare(partition: P): boolean {
    const held = this.#held.get(partition);
    return (
      held !== undefined &&
      (held.records >= this.#shareRecords || (held.bytes >= this.#shareBytes && held.records > 0))
    );
  }

  get limits(): IntakeBufferLimits {
    return this.#limits;
  }

  get #shareRecords(): number {
    return Math.max(
      this.#limits.minimumShare,
      Math.floor(this.#limits.records / Math.max(1, this.#held.size)),
    );
  }

  get #shareBytes(): number {
    return Math.floor(this.#limits.bytes / Math.max(1, this.#held.size));
  }

  #turn(): void {
    const { records, bytes } = this.#limits;
    if (this.#records >= records || this.#bytes >= bytes) this.#full = true;
    else if (this.#records <= records / 2 && this.#bytes <= bytes / 2) this.#full = false;
  }
}
