import type { Admission, Permit } from '../admission/admission.js';
import { isToTarget } from '../config/resolved.js';
import type { DeliverableRecord, MappedRecord } from '../intake/mapped-record.js';
import type { CloseWatch } from './close-watch.js';
import type { Delivery, DeliveryObserver, Settlement } from './delivery.js';
import { needOf } from './need-of.js';

export interface TargetDeliveryOptions {
  /** Starts the records' workflows, and takes everything else. */
  readonly inner: Delivery;
  readonly closeWatch: Pick<CloseWatch, 'closed'>;
  readonly admission: Pick<Admission, 'acquire'>;
}

/**
 * Adds the order of targets: of the records that go to one workflow, the next one's execution starts when the one before
 * has closed, well or not. So such a record is accepted only then, since what is committed never comes again: after a
 * crash the first that was not settled meets its own execution, and the others wait behind it once more.
 *
 * A permit is kept while an execution starts and not while it is waited for: one target that is missing must not keep the
 * others out. What is open is bounded by the intake's buffer.
 */
export class TargetDelivery implements Delivery {
  readonly commitOn = 'accepted';
  readonly #options: TargetDeliveryOptions;
  /** The last record under way to a target. */
  readonly #last = new Map<string, Promise<void>>();
  /** What was given back in an assignment and has not come again, with its target: its later records wait for it. */
  readonly #owed = new WeakMap<AbortSignal, Map<string, DeliverableRecord>>();

  constructor(options: TargetDeliveryOptions) {
    this.#options = options;
  }

  async deliver(
    records: readonly MappedRecord[],
    permit: Permit,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    // Whatever has become of it since: it is here again.
    for (const record of records) this.#owed.get(signal)?.delete(placeOf(record));
    const toTargets = records.filter(goesToTarget);
    if (toTargets.length === 0) return this.#options.inner.deliver(records, permit, observer, signal);
    const others = records.filter((record) => !goesToTarget(record));
    const shares = sharesOf(permit, toTargets.length + (others.length > 0 ? 1 : 0));
    await Promise.all([
      ...toTargets.map((record, index) => this.#inTurn(record, shares[index]!, observer, signal)),
      ...(others.length > 0 ? [this.#options.inner.deliver(others, shares.at(-1)!, observer, signal)] : []),
    ]);
  }

  #inTurn(
    record: DeliverableRecord,
    permit: Permit,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const target = record.targetId ?? '';
    const before = this.#last.get(target);
    const work = this.#deliverOne(record, permit, before, observer, signal);
    const done = work.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(target, done);
    void done.then(() => {
      if (this.#last.get(target) === done) this.#last.delete(target);
    });
    return work;
  }

  async #deliverOne(
    record: DeliverableRecord,
    permit: Permit,
    before: Promise<void> | undefined,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    let settlement: Settlement | undefined;
    try {
      settlement = await this.#settle(record, permit, before, signal);
    } catch (error) {
      // A defect: the lane brings it again.
      this.#owe(record, signal);
      throw error;
    }
    if (settlement === undefined) {
      this.#owe(record, signal);
      return observer.returned(record);
    }
    observer.accepted(record);
    observer.settled(record, settlement);
  }

  /** Undefined: it was given back, or an earlier one of its target was. */
  async #settle(
    record: DeliverableRecord,
    permit: Permit,
    before: Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<Settlement | undefined> {
    let own = permit;
    if (before !== undefined) {
      permit.release('returned');
      await untilAborted(before, signal);
      if (signal.aborted) return undefined;
      const { admission } = this.#options;
      try {
        own = await admission.acquire({ ...needOf(record, Date.now()), signal });
      } catch (error) {
        if (signal.aborted) return undefined;
        throw error;
      }
    }
    if (this.#isBehindOwed(record, signal)) {
      own.release('returned');
      return undefined;
    }
    const started = await this.#start(record, own, signal);
    if (started?.outcome !== 'started' || started.runId === undefined) return started;
    const closed = await this.#options.closeWatch.closed(started.workflowId!, started.runId, signal);
    return closed ? started : undefined;
  }

  /** What the inner delivery has made of it; nobody else is told yet. */
  async #start(
    record: DeliverableRecord,
    permit: Permit,
    signal: AbortSignal,
  ): Promise<Settlement | undefined> {
    let found: Settlement | undefined;
    const observer: DeliveryObserver = {
      accepted: () => undefined,
      settled: (_record, settlement) => void (found = settlement),
      returned: () => undefined,
    };
    await this.#options.inner.deliver([record], permit, observer, signal);
    return found;
  }

  #owe(record: DeliverableRecord, signal: AbortSignal): void {
    // After the signal nothing comes again here: the partition's next owner begins anew.
    if (signal.aborted) return;
    let owed = this.#owed.get(signal);
    if (owed === undefined) this.#owed.set(signal, (owed = new Map()));
    owed.set(placeOf(record), record);
  }

  /** Whether an earlier record of its target and partition was given back: it must come first. */
  #isBehindOwed(record: DeliverableRecord, signal: AbortSignal): boolean {
    for (const other of this.#owed.get(signal)?.values() ?? []) {
      if (other.targetId === record.targetId && other.source.offset < record.source.offset) return true;
    }
    return false;
  }
}

function goesToTarget(record: MappedRecord): record is DeliverableRecord {
  return record.kind === 'deliver' && isToTarget(record.route.target);
}

function placeOf({ source }: MappedRecord): string {
  return `${source.topic}/${source.partition}/${source.offset}`;
}

/** One permit for several, given back when the last of them is. Each has a slot of its own, and the last one the rest. */
function sharesOf(permit: Permit, count: number): readonly Permit[] {
  if (count === 1) return [permit];
  const left = new Set(Array.from({ length: count }, (_, index) => index));
  const inWork: string[] = [];
  return [...left].map((index) => {
    const slots = permit.slots.slice(index, index === count - 1 ? undefined : index + 1);
    return {
      weight: permit.weight,
      route: permit.route,
      slots,
      release: (why, used = slots) => {
        if (!left.delete(index)) return;
        if (why === 'inWork') inWork.push(...used);
        if (left.size > 0) return;
        if (inWork.length > 0) permit.release('inWork', inWork);
        else permit.release(why);
      },
    };
  });
}

async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const wake = () => {
      signal.removeEventListener('abort', wake);
      resolve();
    };
    signal.addEventListener('abort', wake, { once: true });
    void work.then(wake);
  });
}
