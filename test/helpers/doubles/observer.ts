import type { Permit, ReleaseReason } from '../../../bridge/admission/admission.js';
import type { DeliveryObserver, Settlement } from '../../../bridge/delivery/delivery.js';
import type { MappedRecord } from '../../../bridge/intake/mapped-record.js';

/** A permit that knows how often it was given back. */
export class CountedPermit implements Permit {
  readonly weight: number;
  readonly route = 'r';
  readonly slots: readonly string[];
  releases = 0;
  /** The last reason. */
  why: ReleaseReason | undefined;
  /** The slots that went along. */
  used: readonly string[] | undefined;

  constructor(weight: number, slots: readonly string[] = []) {
    this.weight = weight;
    this.slots = slots;
  }

  release(why: ReleaseReason, used?: readonly string[]): void {
    this.used = used;
    this.releases++;
    this.why = why;
  }
}

type Word = 'accepted' | 'settled' | 'returned';

/** Notes what a delivery says of each record, and what it should not have said. */
export class Notes implements DeliveryObserver {
  readonly words: { readonly word: Word; readonly record: MappedRecord }[] = [];
  readonly settlements = new Map<MappedRecord, Settlement>();
  readonly wrong: string[] = [];

  accepted(record: MappedRecord): void {
    if (this.of(record).length > 0)
      this.wrong.push(`${record.source.offset} accepted after ${this.of(record).join(', ')}`);
    this.words.push({ word: 'accepted', record });
  }

  settled(record: MappedRecord, settlement: Settlement): void {
    if (this.of(record).join() !== 'accepted')
      this.wrong.push(`${record.source.offset} settled after ${this.of(record).join(', ')}`);
    this.words.push({ word: 'settled', record });
    this.settlements.set(record, settlement);
  }

  returned(record: MappedRecord): void {
    if (this.of(record).length > 0)
      this.wrong.push(`${record.source.offset} returned after ${this.of(record).join(', ')}`);
    this.words.push({ word: 'returned', record });
  }

  /** What was said of one record, in order. */
  of(record: MappedRecord): readonly Word[] {
    return this.words.filter((one) => one.record === record).map(({ word }) => word);
  }

  count(word: Word): number {
    return this.words.filter((one) => one.word === word).length;
  }

  outcomes(records: readonly MappedRecord[]): readonly (string | undefined)[] {
    return records.map((record) => this.settlements.get(record)?.outcome);
  }
}
