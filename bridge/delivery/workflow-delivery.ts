import type { CallBudget } from '../admission/call-budget.js';
import type { HoldScope, RouteHolds } from '../admission/route-holds.js';
import type { Permit, ReleaseReason } from '../admission/admission.js';
import type { DeliverableRecord, MappedRecord, PoisonRecord } from '../intake/mapped-record.js';
import type { Priority } from '../config/types.js';
import type { QuarantineReason } from '../../workflows/contract.js';
import { coordinatesText, recordWorkflowId } from '../temporal/ids.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import type { Delivery, DeliveryObserver, Settlement } from './delivery.js';
import { delay } from '../timing.js';
import { ByteGate } from './byte-gate.js';
import { paidCalls, type RecordCalls } from './paid-calls.js';
import { Interrupted, type PersistentCalls } from './persistent-calls.js';
import { quarantineRequestOf, type QuarantineCase } from './quarantine-start.js';
import { isDelayed, startRecord, type RecordStart, type StartScope } from './record-start.js';

export interface WorkflowDeliveryOptions {
  readonly port: RecordCalls;
  /** What calls may be made. @default any */
  readonly budget?: Pick<CallBudget, 'spend'>;
  readonly calls: PersistentCalls;
  readonly holds: Pick<RouteHolds, 'mayQuarantine' | 'passed'>;
  readonly scope: StartScope;
  /** Until when Kafka keeps a record (ISO 8601), where the topic's retention is known. */
  readonly keptUntil: (topic: string, timestampMs: number) => Promise<string | undefined>;
  /** A record can be neither started nor quarantined, and is tried again. */
  readonly onStuck?: (fault: TemporalFault) => void;
  /** An execution began, and its task waits for a worker now. */
  readonly onStarted?: () => void;
  readonly now?: () => number;
}

/** A record under way is there several times: as event, as payload, in the request. So fewer large ones go at a time. */
const BYTES_UNDER_WAY = 1024 * 1024;

const STUCK_WAIT_MS = 5_000;

/** A record's right to be in work, where it has one, and whether an execution may have begun with it. */
interface Slot {
  readonly text: string | undefined;
  used: boolean;
}

/** One workflow for each record: a start is all there is to do, so accepted and settled are one moment. */
export class WorkflowDelivery implements Delivery {
  readonly commitOn = 'accepted';
  readonly #options: WorkflowDeliveryOptions;
  readonly #bytes = new ByteGate(BYTES_UNDER_WAY);
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
    const slots = records.map((_, index): Slot => ({ text: permit.slots[index], used: false }));
    let why: ReleaseReason = 'returned';
    try {
      await Promise.all(
        records.map((record, index) => this.#deliverOne(record, slots[index]!, observer, signal)),
      );
      why = 'settled';
    } finally {
      const used = slots.flatMap((slot) => (slot.used && slot.text !== undefined ? [slot.text] : []));
      if (used.length > 0) permit.release('inWork', used);
      else permit.release(why);
    }
  }

  async #deliverOne(
    record: MappedRecord,
    slot: Slot,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    let settlement: Settlement | undefined;
    try {
      settlement = await this.#take(record, slot, signal);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    }
    if (settlement === undefined) return observer.returned(record);
    this.#options.holds.passed(scopeOf(record), settlement.outcome);
    observer.accepted(record);
    observer.settled(record, settlement);
  }

  /** Undefined: the record is held, and waits. */
  #take(record: MappedRecord, slot: Slot, signal: AbortSignal): Promise<Settlement | undefined> {
    switch (record.kind) {
      case 'filtered':
        return Promise.resolve({ outcome: 'filtered' });
      case 'expired':
        return Promise.resolve({ outcome: 'expired', message: record.message });
      case 'quarantine':
        return this.#quarantine(record, record.reason, record.message, 'quarantined', signal);
      case 'deliver':
        return this.#inKeyOrder(record, () => this.#start(record, slot, signal));
    }
  }

  async #start(record: DeliverableRecord, slot: Slot, signal: AbortSignal): Promise<Settlement | undefined> {
    for (let asked = false; ; asked = true) {
      const start = await this.#tryStart(record, slot, signal);
      if (start instanceof TemporalFault) {
        const reason: QuarantineReason = start.kind === 'oversized' ? 'oversized' : 'rejected';
        const it: QuarantineCase = {
          source: record.source,
          reason,
          message: start.message,
          routeId: record.route.id,
        };
        if (!asked && !this.#options.holds.mayQuarantine(scopeOf(record), reason)) return undefined;
        const begun = await this.#tryQuarantine(it, record.priority, signal);
        if (!(begun instanceof TemporalFault))
          return { outcome: 'quarantined', ...begun, message: start.message };
        // Even its quarantine finds no way: it is not this record alone, so it is tried again as it is.
        await this.#waitAfter(begun, signal);
        continue;
      }
      const { outcome, workflowId, runId, message } = start;
      if (outcome === 'conflict' && record.route.onConflict === 'duplicate') {
        return { outcome: 'duplicate', workflowId, runId, message };
      }
      if (outcome === 'conflict' || outcome === 'foreign') {
        return this.#quarantine(record, outcome, message, outcome, signal);
      }
      // A delayed one weighs on nobody until it is due.
      if (outcome === 'started' && !start.closed && !isDelayed(record, this.#now()))
        this.#options.onStarted?.();
      return { outcome, workflowId, runId, message };
    }
  }

  /** The start, or the record's own fault. @throws Interrupted */
  async #tryStart(
    record: DeliverableRecord,
    slot: Slot,
    signal: AbortSignal,
  ): Promise<RecordStart | TemporalFault> {
    const { port: free, budget, calls, scope } = this.#options;
    const id = coordinatesText(record.source);
    const port = await paidCalls(free, budget, record.priority, signal);
    const call = () => {
      const now = this.#now();
      // Whatever comes of the call: until it has said no, an execution may have begun with it.
      if (!isDelayed(record, now)) slot.used = true;
      return startRecord(port, record, scope, now, slot.text);
    };
    const start = await this.#bytes.holding(record.source.sizeBytes, signal, () =>
      calls.run(id, call, signal).catch(faultOrThrow),
    );
    if (start instanceof TemporalFault || start.outcome !== 'started' || start.closed) slot.used = false;
    return start;
  }

  /** Undefined: the record's route is held. Else it ends in quarantine, however long that takes. */
  async #quarantine(
    record: DeliverableRecord | PoisonRecord,
    reason: QuarantineReason,
    message: string,
    outcome: 'quarantined' | 'conflict' | 'foreign',
    signal: AbortSignal,
  ): Promise<Settlement | undefined> {
    if (!this.#options.holds.mayQuarantine(scopeOf(record), reason)) return undefined;
    const it: QuarantineCase = { source: record.source, reason, message, routeId: record.route?.id };
    const priority = record.kind === 'deliver' ? record.priority : 'medium';
    for (;;) {
      const begun = await this.#tryQuarantine(it, priority, signal);
      if (!(begun instanceof TemporalFault)) return { outcome, ...begun, message };
      await this.#waitAfter(begun, signal);
    }
  }

  /** @throws Interrupted */
  async #tryQuarantine(
    it: QuarantineCase,
    priority: Priority,
    signal: AbortSignal,
  ): Promise<{ workflowId: string; runId: string | undefined } | TemporalFault> {
    const { port: free, budget, calls, scope, keptUntil, onStarted } = this.#options;
    const port = await paidCalls(free, budget, priority, signal);
    const id = `quarantine ${coordinatesText(it.source)}`;
    const until = () => keptUntil(it.source.topic, it.source.timestampMs).catch(() => undefined);
    // Bytes that could not even be read stay in Kafka only.
    for (let whole = it.source.undecodable === undefined; ; whole = false) {
      const request = quarantineRequestOf(
        it,
        scope,
        this.#now(),
        whole ? 'whole' : { keptUntil: await until() },
      );
      const answer = await this.#bytes.holding(it.source.sizeBytes, signal, () =>
        calls.run(id, () => port.start(request), signal).catch(faultOrThrow),
      );
      if (!(answer instanceof TemporalFault)) {
        if (answer.kind === 'started') onStarted?.();
        return { workflowId: request.workflowId, runId: answer.runId };
      }
      if (!whole || answer.kind !== 'oversized') return answer;
    }
  }

  /** Nothing is lost and nothing passes: said, and tried again. @throws Interrupted */
  async #waitAfter(fault: TemporalFault, signal: AbortSignal): Promise<void> {
    this.#options.onStuck?.(fault);
    await delay(STUCK_WAIT_MS, signal);
    if (signal.aborted) throw new Interrupted('The record was given back');
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

function faultOrThrow(error: unknown): TemporalFault {
  if (error instanceof TemporalFault) return error;
  throw error;
}

function scopeOf(record: MappedRecord): HoldScope {
  return { topic: record.source.topic, routeId: record.route?.id };
}
