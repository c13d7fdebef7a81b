import type { Permit } from '../admission/admission.js';
import type { MappedRecord } from '../intake/mapped-record.js';
import type { Outcome } from './outcomes.js';

/** What became of one record, and where to look it up. */
export interface Settlement {
  readonly outcome: Outcome;
  readonly workflowId?: string;
  readonly runId?: string;
  /** Why, where the outcome needs a reason. */
  readonly message?: string;
}

/** Told of each record by itself; a delivery may do so late, and in any order. */
export interface DeliveryObserver {
  /** Temporal holds the record durably: a crash of ours no longer loses it. */
  accepted(record: MappedRecord): void;
  settled(record: MappedRecord, settlement: Settlement): void;
  /** It was not taken, and is not to blame: it waits at the head of its partition again. */
  returned(record: MappedRecord): void;
}

/**
 * Carries records into Temporal. A workflow for each record is a delivery of one; batches are another. Adapters pass
 * test/delivery/delivery-contract.ts.
 */
export interface Delivery {
  /** Which position of a partition this delivery lets be committed. */
  readonly commitOn: 'accepted' | 'settled';
  /**
   * Takes the records, and gives the permit back when they no longer weigh on the workers. Resolves when each is
   * accepted or returned. Never rejects for a record's or Temporal's fault; after `signal` it returns what it holds.
   */
  deliver(
    records: readonly MappedRecord[],
    permit: Permit,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void>;
}
