import { QueueAdmission } from '../../bridge/admission/admission.js';
import { RouteHolds } from '../../bridge/admission/route-holds.js';
import type { Delivery, DeliveryObserver, Settlement } from '../../bridge/delivery/delivery.js';
import type { Outcome } from '../../bridge/delivery/outcomes.js';
import { FaultJudge } from '../../bridge/delivery/fault-judge.js';
import { Intake, type IntakeOptions, type LostRange } from '../../bridge/intake/intake.js';
import type { MappedRecord } from '../../bridge/intake/mapped-record.js';
import type { TopicPartition } from '../../bridge/intake/record-source.js';
import type { Permit } from '../../bridge/admission/admission.js';
import type { Priority } from '../../bridge/config/types.js';
import type { SourceRecord } from '../../bridge/record.js';
import { Shaping } from '../../bridge/shaping/shaping.js';
import { turn } from '../helpers/doubles/clock.js';
import { deliverable } from '../helpers/doubles/mapped-records.js';
import { SourceDouble } from '../helpers/doubles/source-double.js';

export const P0: TopicPartition = { topic: 'orders', partition: 0 };
export const P1: TopicPartition = { topic: 'orders', partition: 1 };

interface Held {
  readonly record: MappedRecord;
  readonly permit: Permit;
  readonly observer: DeliveryObserver;
  readonly done: () => void;
}

/** A delivery of one, each of which waits until it is told what becomes of it. */
export class ManualDelivery implements Delivery {
  readonly commitOn: 'accepted' | 'settled';
  readonly held: Held[] = [];
  /** Every record that was handed over, in order; again where it came again. */
  readonly handed: MappedRecord[] = [];
  /** Set it: then nothing waits. */
  atOnce = false;

  constructor(commitOn: 'accepted' | 'settled' = 'accepted') {
    this.commitOn = commitOn;
  }

  async deliver(
    [record]: readonly MappedRecord[],
    permit: Permit,
    observer: DeliveryObserver,
    signal: AbortSignal,
  ): Promise<void> {
    this.handed.push(record!);
    await new Promise<void>((resolve) => {
      const held: Held = { record: record!, permit, observer, done: resolve };
      this.held.push(held);
      if (this.atOnce) this.settle(held);
      signal.addEventListener('abort', () => this.held.includes(held) && this.atAbort(held), { once: true });
    });
  }

  /** After the signal: it gives back what it holds; a test may have it go on instead. */
  atAbort: (held: Held) => void = (held) => this.giveBack(held);

  settle(held = this.held[0]!, settlement: Settlement = { outcome: 'started' }): void {
    this.#take(held);
    held.observer.accepted(held.record);
    held.observer.settled(held.record, settlement);
    held.permit.release('settled');
    held.done();
  }

  giveBack(held = this.held[0]!): void {
    this.#take(held);
    held.observer.returned(held.record);
    held.permit.release('returned');
    held.done();
  }

  ofOffset(offset: bigint): Held {
    const found = this.held.find(({ record }) => record.source.offset === offset);
    if (!found)
      throw new Error(
        `Expected ${offset} to be held, got ${this.held.map(({ record }) => record.source.offset).join()}`,
      );
    return found;
  }

  get offsets(): readonly bigint[] {
    return this.handed.map(({ source }) => source.offset);
  }

  #take(held: Held): void {
    this.held.splice(this.held.indexOf(held), 1);
  }
}

export interface IntakeSetup {
  readonly delivery?: Delivery;
  readonly source?: SourceDouble;
  readonly limits?: Partial<IntakeOptions['buffer']>;
  readonly options?: Partial<IntakeOptions>;
  readonly map?: (record: SourceRecord) => Promise<MappedRecord>;
  readonly priorityOf?: (record: SourceRecord) => Priority | undefined;
  readonly shaping?: Shaping;
  readonly admission?: QueueAdmission;
  readonly onSettled?: (record: MappedRecord, outcome: Outcome) => void;
}

/** An intake between a source in memory and a delivery, with everything that happened. */
export function intakeOf(setup: IntakeSetup = {}) {
  const source = setup.source ?? new SourceDouble();
  const delivery = setup.delivery ?? new ManualDelivery();
  const holds = new RouteHolds({ quarantineLimit: undefined, foreignLimit: 20, idPrefix: '' });
  const events = {
    settled: [] as bigint[],
    newGroups: [] as [string, bigint][],
    lost: [] as LostRange[],
    stopped: [] as [string, string][],
    assigned: [] as [number, number][],
    troubles: [] as string[],
  };
  const textOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
  const intake = new Intake(source, {
    buffer: { records: 1000, bytes: 1_000_000, minimumShare: 1, ...setup.limits },
    maxPollRecords: () => 100,
    startFrom: 'beginning',
    onLostRange: 'continue',
    stages: {
      priorityOf: setup.priorityOf ?? (() => 'medium'),
      shaping: setup.shaping ?? new Shaping([]),
      map: setup.map ?? (async (record) => deliverable({ source: record })),
      mapJudge: new FaultJudge(),
      holds,
      admission: setup.admission ?? new QueueAdmission(10_000),
      delivery,
      onTrouble: (_record, message) => events.troubles.push(message),
    },
    events: {
      assigned: (gained, lost) => events.assigned.push([gained.length, lost.length]),
      settled: (record, { outcome }) => {
        events.settled.push(record.source.offset);
        setup.onSettled?.(record, outcome);
      },
      newGroup: (at, position) => events.newGroups.push([textOf(at), position]),
      lostRange: (range) => events.lost.push(range),
      stopped: (at, message) => events.stopped.push([textOf(at), message]),
      connected: () => undefined,
      disconnected: () => undefined,
    },
    ...setup.options,
  });
  source.listen(intake);
  const state = (at: TopicPartition = P0) =>
    intake.partitions.find((one) => one.topic === at.topic && one.partition === at.partition);
  /** Fetches, and lets the lanes hand on what they have. */
  const poll = async (batch?: number): Promise<number> => {
    const handed = source.poll(batch);
    await turn(3);
    return handed;
  };
  return { intake, source, holds, events, state, poll, delivery };
}
