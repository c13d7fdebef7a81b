import type { Permit } from '../../../bridge/admission/admission.js';
import type { Delivery, DeliveryObserver } from '../../../bridge/delivery/delivery.js';
import type { MappedRecord } from '../../../bridge/intake/mapped-record.js';
import { coordinatesText } from '../../../bridge/temporal/ids.js';
import { TemporalFault, type TemporalPort } from '../../../bridge/temporal/temporal-port.js';
import { delay } from '../../../bridge/timing.js';

interface Handed {
  readonly records: readonly MappedRecord[];
  readonly permit: Permit;
  readonly observer: DeliveryObserver;
  readonly signal: AbortSignal;
  readonly done: () => void;
}

interface Settling {
  readonly record: MappedRecord;
  readonly settle: () => void;
}

const OUTCOME = {
  deliver: 'done',
  quarantine: 'quarantined',
  filtered: 'filtered',
  expired: 'expired',
} as const;

/**
 * The delivery that is not there yet: what is handed over in one turn becomes one batch, one execution. Its records are
 * accepted when the batch has begun, and settled later, out of order, when it is told to; so they are committed on
 * 'settled'.
 */
export class LateBatchDelivery implements Delivery {
  readonly commitOn = 'settled';
  readonly #port: Pick<TemporalPort, 'start'>;
  #next: Handed[] = [];
  #settling: Settling[] = [];
  /** Sizes of the batches that were begun. */
  readonly batches: number[] = [];

  constructor(port: Pick<TemporalPort, 'start'>) {
    this.#port = port;
  }

  deliver(
    records: readonly MappedRecord[],
    permit: Permit,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    return new Promise((done) => {
      this.#next.push({ records, permit, observer, signal, done });
      if (this.#next.length === 1) setImmediate(() => void this.#carry());
    });
  }

  /** Accepted, and not settled yet. */
  get settling(): readonly MappedRecord[] {
    return this.#settling.map(({ record }) => record);
  }

  /** Settles so many, from the end of the log to its beginning. */
  settle(count = Infinity): void {
    for (const { settle } of this.#settling.splice(-Math.min(count, this.#settling.length)).reverse())
      settle();
  }

  /** Settles these. */
  settleOnly(wanted: (record: MappedRecord) => boolean): void {
    const found = this.#settling.filter(({ record }) => wanted(record));
    this.#settling = this.#settling.filter(({ record }) => !wanted(record));
    for (const { settle } of found) settle();
  }

  async #carry(): Promise<void> {
    const batch = this.#next;
    this.#next = [];
    const all = batch.flatMap(({ records }) => records);
    let begun = false;
    while (!begun && batch.some(({ signal }) => !signal.aborted)) {
      try {
        await this.#begin(all);
        begun = true;
      } catch (error) {
        if (!(error instanceof TemporalFault)) throw error;
        const signals = batch.map(({ signal }) => signal).filter(({ aborted }) => !aborted);
        await Promise.race(signals.map((signal) => delay(20, signal)));
      }
    }
    for (const one of batch) {
      if (begun) this.#accept(one);
      else this.#giveBack(one);
    }
  }

  async #begin(records: readonly MappedRecord[]): Promise<void> {
    const first = records[0]!.source;
    await this.#port.start({
      workflowId: `ktb/double/batch/${coordinatesText(first)}/${records.length}`,
      requestId: coordinatesText(first),
      workflowType: 'batch',
      taskQueue: 'batches',
      args: [records.map(({ source }) => coordinatesText(source))],
      memo: {},
      labels: { record: '', key: undefined, route: undefined, offset: first.offset },
    });
    this.batches.push(records.length);
  }

  #accept({ records, permit, observer, done }: Handed): void {
    let left = records.length;
    for (const record of records) {
      observer.accepted(record);
      const settle = (): void => {
        observer.settled(record, { outcome: OUTCOME[record.kind] });
        if (--left === 0) permit.release('settled');
      };
      this.#settling.push({ record, settle });
    }
    done();
  }

  #giveBack({ records, permit, observer, done }: Handed): void {
    for (const record of records) observer.returned(record);
    permit.release('returned');
    done();
  }
}
