import type { ResolvedRoute } from '../config/resolved.js';
import type { Priority } from '../config/types.js';
import type { DeliveryObserver } from '../delivery/delivery.js';
import { DEFECT_WAIT_MS, type HandOver, type HandOverObserver } from '../intake/hand-over.js';
import { LaneQueue, type QueueEntry } from '../intake/lane-queue.js';
import type { LaneStages } from '../intake/lane-stages.js';
import type { DeliverableRecord } from '../intake/mapped-record.js';
import { PriorityLoops } from '../intake/priority-loops.js';
import { orderKeyText, recordKeyText } from '../intake/record-key.js';
import { delay } from '../timing.js';
import { ConflatingQueue } from './conflating-queue.js';
import type { Demand } from './demand.js';

/** What a stage needs of its lane. */
export interface StageParts {
  readonly stages: Pick<LaneStages, 'holds' | 'onTrouble'>;
  readonly handOver: Pick<HandOver, 'send'>;
  readonly observer: DeliveryObserver;
  readonly signal: AbortSignal;
}

/** What a route holds of one partition, between mapping and admission: so much as it has asked for. */
export class RouteStage {
  readonly routeId: string;
  readonly #parts: StageParts;
  readonly #demand: Demand;
  readonly #conflating: ConflatingQueue<DeliverableRecord> | undefined;
  readonly #queue: LaneQueue<DeliverableRecord> | ConflatingQueue<DeliverableRecord>;
  readonly #loops: PriorityLoops<QueueEntry<DeliverableRecord>>;
  readonly #blocked = new Map<Priority, string>();
  readonly #awaitingEmpty = new Set<() => void>();
  /** Of the demand's held ones: those of this partition. */
  #held = 0;
  #handingOn = 0;

  constructor(route: ResolvedRoute, demand: Demand, parts: StageParts) {
    this.routeId = route.id;
    this.#parts = parts;
    this.#demand = demand;
    this.#conflating =
      route.conflate === undefined ? undefined : new ConflatingQueue(route.demand?.step ?? 1);
    this.#queue = this.#conflating ?? new LaneQueue();
    this.#loops = new PriorityLoops({
      queue: this.#queue,
      step: (entry, priority, stepAside) => this.#handOn(entry, priority, stepAside),
      signal: parts.signal,
    });
    parts.signal.addEventListener('abort', () => this.#abandon(), { once: true });
  }

  /** Why it takes nothing, where it does. */
  get full(): string {
    return `route \`${this.routeId}\` holds ${this.#demand.held} records and asks for none (\`demand\`)`;
  }

  get blockedBy(): string | undefined {
    return this.#blocked.values().next().value;
  }

  get wantsCommit(): boolean {
    return this.#conflating?.wantsCommit ?? false;
  }

  /** A commit of this position is about to be made. @returns how far it must reach */
  settleOn(position: bigint): bigint {
    return this.#conflating?.settleOn(position) ?? 0n;
  }

  /** `false`: it has not asked for a record. */
  take(record: DeliverableRecord): boolean {
    const { source, priority } = record;
    if (this.#parts.signal.aborted || !this.#demand.take(priority === 'high')) return false;
    this.#held++;
    const key = this.#conflating ? recordKeyText(source.key) : orderKeyText(source);
    const superseded = this.#queue.add(record, source.offset, key, priority);
    if (superseded) this.#conflate(superseded, record);
    this.#loops.wake();
    return true;
  }

  /** Resolves when it may take this record, or it is worth a try; after the signal too. */
  asked({ priority }: DeliverableRecord, signal: AbortSignal): Promise<void> {
    return this.#demand.asked(signal, priority === 'high');
  }

  placed(position: bigint, reach: bigint): void {
    this.#conflating?.placed(position, reach);
  }

  committed(position: bigint, reach: bigint): void {
    this.#conflating?.committed(position, reach);
    this.#loops.wake();
  }

  get isEmpty(): boolean {
    return this.#parts.signal.aborted || (this.#queue.size === 0 && this.#handingOn === 0);
  }

  /** Resolves when everything that it held is with the delivery; after the signal too. */
  emptied(): Promise<void> {
    if (this.isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.#awaitingEmpty.add(resolve));
  }

  async #handOn(
    entry: QueueEntry<DeliverableRecord>,
    priority: Priority,
    stepAside: () => void,
  ): Promise<void> {
    const { handOver, signal, stages } = this.#parts;
    const { item: record, offset } = entry;
    this.#handingOn++;
    try {
      if (await this.#isHeldBack(entry, priority, stepAside)) return;
      if (!this.#queue.goes(entry, priority)) return;
      stepAside();
      await handOver.send(record, priority, this.#observer());
    } catch (error) {
      if (signal.aborted) return;
      stages.onTrouble(record.source, 'could not be handed on; it is tried again', error);
      await delay(DEFECT_WAIT_MS, signal);
      this.#queue.back(offset);
    } finally {
      this.#handingOn--;
      this.#look();
    }
  }

  /** Where its route is held it goes back to its place until that changes. */
  async #isHeldBack(
    { item, offset }: QueueEntry<DeliverableRecord>,
    priority: Priority,
    stepAside: () => void,
  ): Promise<boolean> {
    const { stages, signal } = this.#parts;
    const hold = stages.holds.holdOf({ topic: item.source.topic, routeId: this.routeId });
    if (hold === undefined) return false;
    this.#queue.back(offset);
    this.#blocked.set(priority, hold.message);
    stepAside();
    await stages.holds.changed(signal);
    this.#blocked.delete(priority);
    return true;
  }

  #observer(): HandOverObserver {
    const { observer, signal } = this.#parts;
    const done = (offset: bigint) => {
      this.#queue.done(offset);
      this.#loops.wake();
    };
    return {
      handedOver: () => this.#left(),
      accepted: (record) => {
        done(record.source.offset);
        observer.accepted(record);
      },
      settled: (record, settlement) => {
        done(record.source.offset);
        observer.settled(record, settlement);
      },
      returned: (record) => {
        if (signal.aborted) return observer.returned(record);
        if (!this.#queue.back(record.source.offset)) return;
        this.#held++;
        this.#demand.back();
        this.#loops.wake();
      },
    };
  }

  #conflate(superseded: DeliverableRecord, by: DeliverableRecord): void {
    this.#left();
    const { observer } = this.#parts;
    observer.accepted(superseded);
    observer.settled(superseded, {
      outcome: 'conflated',
      message: `Offset ${by.source.offset} of the same record key came while it waited`,
    });
  }

  #left(): void {
    if (this.#held === 0) return;
    this.#held--;
    this.#demand.left();
  }

  /** The partition is another's: what it held comes again there. */
  #abandon(): void {
    while (this.#held > 0) this.#left();
    this.#look();
  }

  #look(): void {
    if (!this.isEmpty) return;
    for (const resolve of this.#awaitingEmpty) resolve();
    this.#awaitingEmpty.clear();
  }
}
