import type { Priority } from '../config/types.js';
import type { DeliveryObserver } from '../delivery/delivery.js';
import type { SourceRecord } from '../record.js';
import type { LaneShaping } from '../shaping/shaping.js';
import { delay } from '../timing.js';
import { DEFECT_WAIT_MS, HandOver } from './hand-over.js';
import { LaneQueue, type QueueEntry } from './lane-queue.js';
import type { LaneStages } from './lane-stages.js';
import type { MappedRecord } from './mapped-record.js';
import { PatientMapping } from './patient-mapping.js';
import { PriorityLoops } from './priority-loops.js';
import { orderKeyText } from './record-key.js';

export type { LaneStages } from './lane-stages.js';

/** Events that are kept decoded from the survey; of others only the priority is, and they are decoded again. */
const KEPT_DECODED = 8;

/**
 * What waits of one partition: by priority, then in the order of its log, and the records of one key always in that
 * order. It maps one record of each priority at a time, so that decoded events don't pile up, and hands it on when its
 * route isn't held and there is a permit, or to its route's stage; deliveries then run side by side.
 */
export class PartitionLane {
  readonly #stages: LaneStages;
  readonly #signal: AbortSignal;
  /** Ends before the signal: nothing more is handed on, and what was goes on. */
  readonly #taking = new AbortController();
  readonly #queue = new LaneQueue<SourceRecord>();
  readonly #loops: PriorityLoops<QueueEntry<SourceRecord>>;
  readonly #mapping: PatientMapping;
  readonly #handOver: HandOver;
  readonly #shaping: LaneShaping;
  readonly #observer: DeliveryObserver;
  readonly #decoded = new Map<bigint, MappedRecord>();
  readonly #blocked = new Map<Priority | 'survey', string>();
  #blockedSince: number | undefined;
  #surveying = false;

  constructor(stages: LaneStages, signal: AbortSignal) {
    this.#stages = stages;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.stop(), { once: true });
    this.#mapping = new PatientMapping({ stages, another: () => this.#queue.head?.item, signal });
    this.#handOver = new HandOver(stages, signal);
    this.#observer = this.#observing(stages.observer);
    this.#shaping = stages.shaping.ofLane({
      stages,
      handOver: this.#handOver,
      observer: this.#observer,
      signal,
    });
    this.#loops = new PriorityLoops({
      queue: this.#queue,
      step: (entry, priority, stepAside) => this.#handOn(entry, priority, stepAside),
      signal: this.#taking.signal,
    });
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** What the head of a line waits for, if it is held. */
  get blockedBy(): string | undefined {
    const [why] = this.#blocked.values();
    return why ?? this.#shaping.blockedBy;
  }

  /** Since when, epoch milliseconds; where a route's stage is blocked, since it was first asked. */
  get blockedSince(): number | undefined {
    if (this.blockedBy === undefined) this.#blockedSince = undefined;
    else this.#blockedSince ??= Date.now();
    return this.#blockedSince;
  }

  /** What waits behind it: the part that its routes' stages play in commits. */
  get shaping(): LaneShaping {
    return this.#shaping;
  }

  push(record: SourceRecord): void {
    const priority = this.#stages.priorityOf(record);
    this.#queue.add(record, record.offset, orderKeyText(record), priority);
    this.#loops.wake();
    if (priority === undefined) void this.#survey();
  }

  /** A record comes back: to its place in the order of the log, which is near the head. */
  putBack(record: SourceRecord): void {
    if (this.#queue.back(record.offset)) this.#loops.wake();
    else this.push(record);
  }

  /** Hands on nothing more. */
  stop(): void {
    this.#taking.abort();
  }

  async #handOn(entry: QueueEntry<SourceRecord>, priority: Priority, stepAside: () => void): Promise<void> {
    const { item: record, offset } = entry;
    try {
      const wait = (why: string | undefined) => this.#blocks(priority, why, stepAside);
      const mapped = this.#decoded.get(offset) ?? (await this.#mapping.map(record, wait));
      this.#decoded.delete(offset);
      if (mapped !== undefined) await this.#pass(entry, mapped, priority, stepAside);
    } catch (error) {
      if (this.#signal.aborted) return;
      // A defect of ours, not of the record: it stays, and is tried again.
      this.#stages.onTrouble(record, 'could not be handed on; it is tried again', error);
      await delay(DEFECT_WAIT_MS, this.#signal);
      this.#queue.back(offset);
    }
  }

  async #pass(
    entry: QueueEntry<SourceRecord>,
    mapped: MappedRecord,
    priority: Priority,
    stepAside: () => void,
  ): Promise<void> {
    const { holds } = this.#stages;
    const hold = holds.holdOf({ topic: entry.item.topic, routeId: mapped.route?.id });
    if (hold && mapped.kind !== 'filtered' && mapped.kind !== 'expired') {
      // Its route may be another one after the wait: it is mapped again then.
      this.#queue.back(entry.offset);
      this.#stages.onDeferred?.('held');
      this.#blocks(priority, hold.message, stepAside);
      await holds.changed(this.#taking.signal);
      return this.#blocks(priority, undefined, stepAside);
    }
    const stage = mapped.kind === 'deliver' ? this.#shaping.stageOf(mapped) : undefined;
    if (stage === undefined || mapped.kind !== 'deliver') {
      if (!this.#queue.goes(entry, priority)) return;
      stepAside();
      return this.#handOver.send(mapped, priority, this.#observer);
    }
    let deferred = false;
    while (this.#queue.goes(entry, `stage ${stage.routeId}`) && !stage.take(mapped)) {
      this.#queue.hesitates(entry);
      if (!deferred) this.#stages.onDeferred?.('demand');
      deferred = true;
      this.#blocks(priority, stage.full, stepAside);
      await stage.asked(mapped, this.#taking.signal);
      this.#blocks(priority, undefined, stepAside);
      if (this.#taking.signal.aborted) return void this.#queue.back(entry.offset);
    }
  }

  #blocks(priority: Priority, why: string | undefined, stepAside: () => void): void {
    if (why === undefined) return void this.#blocked.delete(priority);
    // Another priority may have been blocked before it.
    if (this.blockedBy === undefined) this.#blockedSince = Date.now();
    this.#blocked.set(priority, why);
    stepAside();
  }

  /** Learns the priorities that only the mapped record tells, ahead of its turn: or high priority would wait for it. */
  async #survey(): Promise<void> {
    if (this.#surveying) return;
    this.#surveying = true;
    for (let entry = this.#queue.unknown; entry; entry = this.#queue.unknown) {
      const mapped = await this.#mapping.map(entry.item, (why) => {
        if (why === undefined) this.#blocked.delete('survey');
        else this.#blocked.set('survey', why);
      });
      if (mapped === undefined) return;
      if (this.#decoded.size < KEPT_DECODED) this.#decoded.set(entry.offset, mapped);
      this.#queue.know(entry, mapped.kind === 'deliver' ? mapped.priority : 'medium');
      this.#loops.wake();
    }
    this.#surveying = false;
  }

  /** Those of a record's key that go another way wait until Temporal has it. */
  #observing(observer: DeliveryObserver): DeliveryObserver {
    const done = ({ source }: MappedRecord) => {
      this.#queue.done(source.offset);
      this.#loops.wake();
    };
    return {
      accepted: (record) => {
        done(record);
        observer.accepted(record);
      },
      settled: (record, settlement) => {
        done(record);
        observer.settled(record, settlement);
      },
      // It comes again by `putBack`, or is another owner's.
      returned: (record) => observer.returned(record),
    };
  }
}
