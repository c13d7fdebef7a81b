import type { Permit } from '../../../bridge/admission/admission.js';
import type { DeliveryObserver, Settlement } from '../../../bridge/delivery/delivery.js';
import type { MappedRecord } from '../../../bridge/intake/mapped-record.js';

/** A permit that knows how often it was given back. */
export class CountedPermit implements Permit {
  readonly weight: number;
  readonly route = 'r';
  releases = 0;

  constructor(weight: number) {
    this.weight = weight;
  }

  release(): void {
    this.releases++;
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
