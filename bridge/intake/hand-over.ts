import type { Permit } from '../admission/admission.js';
import type { Priority } from '../config/types.js';
import type { DeliveryObserver } from '../delivery/delivery.js';
import { needOf } from '../delivery/need-of.js';
import { delay } from '../timing.js';
import type { LaneStages } from './lane-stages.js';
import type { MappedRecord } from './mapped-record.js';
import { recordKeyText } from './record-key.js';

/** Told of one record that is handed over. */
export interface HandOverObserver extends DeliveryObserver {
  /** It has its permit, and is with the delivery now. */
  handedOver?(record: MappedRecord): void;
}

/** After how long a record comes again that our own code could not deliver. */
export const DEFECT_WAIT_MS = 5_000;

/** The end of a lane: a permit, and then the delivery, which goes on by itself. */
export class HandOver {
  readonly #stages: LaneStages;
  readonly #signal: AbortSignal;

  constructor(stages: LaneStages, signal: AbortSignal) {
    this.#stages = stages;
    this.#signal = signal;
  }

  /**
   * Resolves when the delivery has it.
   * @param priority of a record that has none of its own
   * @throws the signal's reason, after it
   */
  async send(mapped: MappedRecord, priority: Priority, observer: HandOverObserver): Promise<void> {
    const { delivery, onTrouble } = this.#stages;
    const permit = await this.#permit(mapped, priority);
    const record = this.#inKeyOrder(mapped);
    observer.handedOver?.(record);
    void delivery.deliver([record], permit, observer, this.#signal).catch((error: unknown) => {
      onTrouble(record.source, 'could not be delivered; it is tried again', error);
      void delay(DEFECT_WAIT_MS, this.#signal).then(() => observer.returned(record));
    });
  }

  async #permit(mapped: MappedRecord, priority: Priority): Promise<Permit> {
    const { admission, holds } = this.#stages;
    const scope = { topic: mapped.source.topic, routeId: mapped.route?.id };
    for (;;) {
      const permit = await admission.acquire({
        ...needOf(mapped, Date.now()),
        // What is no start of its route's keeps pace with its line, and not with the route's rate.
        ...(mapped.kind === 'deliver' ? {} : { priority, route: '' }),
        signal: this.#signal,
      });
      if (mapped.kind !== 'deliver' || holds.holdOf(scope) === undefined) return permit;
      // Its route was held while it waited: a bridge that has just begun learns of a pause by the lease that brings slots.
      permit.release('returned');
      await holds.changed(this.#signal);
      this.#signal.throwIfAborted();
    }
  }

  /** With a priority that lets it overtake nobody of its key, once it is with Temporal. */
  #inKeyOrder(mapped: MappedRecord): MappedRecord {
    if (mapped.kind !== 'deliver') return mapped;
    const { topic, key } = mapped.source;
    const priority = this.#stages.keyPriorities.next(topic, recordKeyText(key), mapped.priority);
    return priority === mapped.priority ? mapped : { ...mapped, priority };
  }
}
