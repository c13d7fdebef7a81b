import type { HoldScope, RouteHolds } from '../admission/route-holds.js';
import type { Permit, ReleaseReason } from '../admission/admission.js';
import type { DeliverableRecord, MappedRecord, PoisonRecord } from '../intake/mapped-record.js';
import type { QuarantineReason } from '../../workflows/contract.js';
import { coordinatesText, recordWorkflowId } from '../temporal/ids.js';
import { TemporalFault, type TemporalPort } from '../temporal/temporal-port.js';
import type { Delivery, DeliveryObserver, Settlement } from './delivery.js';
import { Interrupted, type PersistentCalls } from './persistent-calls.js';
import { quarantineRequestOf, type QuarantineCase } from './quarantine-start.js';
import { startRecord, type StartScope } from './record-start.js';

export interface WorkflowDeliveryOptions {
  readonly port: TemporalPort;
  readonly calls: PersistentCalls;
  readonly holds: Pick<RouteHolds, 'mayQuarantine' | 'passed'>;
  readonly scope: StartScope;
  /** Until when Kafka keeps a record (ISO 8601), where the topic's retention is known. */
  readonly keptUntil: (topic: string, timestampMs: number) => Promise<string | undefined>;
  /** An execution began. */
  readonly onStarted?: () => void;
  readonly now?: () => number;
}

/** One workflow for each record: a start is all there is to do, so accepted and settled are one moment. */
export class WorkflowDelivery implements Delivery {
  readonly commitOn = 'accepted';
  readonly #options: WorkflowDeliveryOptions;
  /** The last start under way for an ID: two records of one key go in the order of the log. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: WorkflowDeliveryOptions) {
    this.#options = options;
  }

  async deliver(
    records: readonly MappedRecord[],
    permit: Permit,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    let why: ReleaseReason = 'returned';
    try {
      await Promise.all(records.map((record) => this.#deliverOne(record, observer, signal)));
      why = 'settled';
    } finally {
      permit.release(why);
    }
  }

  async #deliverOne(record: MappedRecord, observer: DeliveryObserver, signal: AbortSignal): Promise<void> {
    let settlement: Settlement | undefined;
    try {
      settlement = await this.#take(record, signal);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    }
    if (settlement === undefined) return observer.returned(record);
    this.#options.holds.passed(scopeOf(record), settlement.outcome);
    observer.accepted(record);
    observer.settled(record, settlement);
  }

  /** Undefined: the record is held, and waits. */
  #take(record: MappedRecord, signal: AbortSignal): Promise<Settlement | undefined> {
    switch (record.kind) {
      case 'filtered':
        return Promise.resolve({ outcome: 'filtered' });
      case 'quarantine':
        return this.#quarantine(record, record.reason, record.message, 'quarantined', signal);
      case 'deliver':
        return this.#inKeyOrder(record, () => this.#start(record, signal));
    }
  }

  async #start(record: DeliverableRecord, signal: AbortSignal): Promise<Settlement | undefined> {
    const { port, calls, scope, onStarted } = this.#options;
    for (;;) {
      try {
        const start = await calls.run(
          coordinatesText(record.source),
          () => startRecord(port, record, scope, this.#now()),
          signal,
        );
        const { outcome, workflowId, runId, message } = start;
        if (outcome === 'conflict' || outcome === 'foreign') {
          if (outcome === 'conflict' && record.route.onConflict === 'duplicate') {
            return { outcome: 'duplicate', workflowId, runId, message };
          }
          return await this.#quarantine(record, outcome, message, outcome, signal);
        }
        if (outcome === 'started') onStarted?.();
        return { outcome, workflowId, runId, message };
      } catch (error) {
        if (!(error instanceof TemporalFault)) throw error;
        const reason: QuarantineReason = error.kind === 'oversized' ? 'oversized' : 'rejected';
        try {
          return await this.#quarantine(record, reason, error.message, 'quarantined', signal);
        } catch (second) {
          // Even its quarantine finds no way: then it was not this record alone, and it is tried again.
          if (!(second instanceof TemporalFault) || error.kind !== 'systemic') throw second;
        }
      }
    }
  }

  async #quarantine(
    record: DeliverableRecord | PoisonRecord,
    reason: QuarantineReason,
    message: string,
    outcome: 'quarantined' | 'conflict' | 'foreign',
    signal: AbortSignal,
  ): Promise<Settlement | undefined> {
    if (!this.#options.holds.mayQuarantine(scopeOf(record), reason)) return undefined;
    const it: QuarantineCase = { source: record.source, reason, message, routeId: record.route?.id };
    const { workflowId, runId } = await this.#startQuarantine(it, signal);
    return { outcome, workflowId, runId, message };
  }

  async #startQuarantine(
    it: QuarantineCase,
    signal: AbortSignal,
  ): Promise<{ workflowId: string; runId: string | undefined }> {
    const { port, calls, scope, keptUntil, onStarted } = this.#options;
    const id = `quarantine ${coordinatesText(it.source)}`;
    const until = () => keptUntil(it.source.topic, it.source.timestampMs).catch(() => undefined);
    // Bytes that could not even be read stay in Kafka only.
    let whole = it.source.undecodable === undefined;
    let request = quarantineRequestOf(it, scope, this.#now(), whole ? 'whole' : { keptUntil: await until() });
    for (; ; whole = false) {
      try {
        const answer = await calls.run(id, () => port.start(request), signal);
        if (answer.kind === 'started') onStarted?.();
        return { workflowId: request.workflowId, runId: answer.runId };
      } catch (error) {
        if (!whole || !(error instanceof TemporalFault) || error.kind !== 'oversized') throw error;
        request = quarantineRequestOf(it, scope, this.#now(), { keptUntil: await until() });
      }
    }
  }

  async #inKeyOrder<T>(record: DeliverableRecord, run: () => Promise<T>): Promise<T> {
    const id = recordWorkflowId(this.#options.scope, record.route.id, record.key, record.source);
    const before = this.#underWay.get(id);
    const work = before === undefined ? run() : before.then(run);
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#underWay.set(id, settled);
    void settled.then(() => {
      if (this.#underWay.get(id) === settled) this.#underWay.delete(id);
    });
    return work;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

function scopeOf(record: MappedRecord): HoldScope {
  return { topic: record.source.topic, routeId: record.route?.id };
}
