import type { Admission } from '../admission/admission.js';
import type { RouteHolds } from '../admission/route-holds.js';
import type { Delivery, DeliveryObserver } from '../delivery/delivery.js';
import { needOf } from '../delivery/need-of.js';
import type { FaultJudge } from '../delivery/fault-judge.js';
import { messageOf } from '../errors.js';
import type { SourceRecord } from '../record.js';
import { delay } from '../timing.js';
import { coordinatesText } from '../temporal/ids.js';
import type { MappedRecord } from './mapped-record.js';

export interface LaneStages {
  readonly map: (record: SourceRecord) => Promise<MappedRecord>;
  readonly mapJudge: FaultJudge;
  readonly holds: Pick<RouteHolds, 'holdOf' | 'changed'>;
  readonly admission: Pick<Admission, 'acquire'>;
  readonly delivery: Delivery;
  readonly observer: DeliveryObserver;
  /** Something that should not happen, or that lasts: for the log. */
  readonly onTrouble: (record: SourceRecord, message: string, error: unknown) => void;
}

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;

/**
 * What waits of one partition, in the order of its log. It maps one record at a time, so that decoded events don't pile
 * up, and hands it on when its route isn't held and there is a permit; deliveries then run side by side.
 */
export class PartitionLane {
  readonly #stages: LaneStages;
  readonly #signal: AbortSignal;
  readonly #waiting: SourceRecord[] = [];
  #wake: (() => void) | undefined;
  #blockedBy: string | undefined;

  constructor(stages: LaneStages, signal: AbortSignal) {
    this.#stages = stages;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    void this.#run();
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** What the head of the line waits for, if it is held. */
  get blockedBy(): string | undefined {
    return this.#blockedBy;
  }

  push(record: SourceRecord): void {
    this.#waiting.push(record);
    this.#wake?.();
  }

  /** A record comes back: to its place in the order of the log, which is near the head. */
  putBack(record: SourceRecord): void {
    const index = this.#waiting.findIndex((other) => other.offset > record.offset);
    if (index === -1) this.#waiting.push(record);
    else this.#waiting.splice(index, 0, record);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#signal.aborted) {
      const record = this.#waiting.shift();
      if (record === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
        continue;
      }
      try {
        await this.#handOn(record);
      } catch (error) {
        // A defect of ours, not of the record: it stays, and is tried again.
        if (this.#signal.aborted) return;
        this.#stages.onTrouble(record, 'could not be handed on; it is tried again', error);
        await delay(LONGEST_WAIT_MS, this.#signal);
        this.putBack(record);
      }
    }
  }

  async #handOn(record: SourceRecord): Promise<void> {
    const mapped = await this.#map(record);
    if (mapped === undefined) return;
    const scope = { topic: record.topic, routeId: mapped.route?.id };
    const hold = this.#stages.holds.holdOf(scope);
    if (hold && mapped.kind !== 'filtered' && mapped.kind !== 'expired') {
      // Its route may be another one after the wait: it is mapped again then.
      this.#blockedBy = hold.message;
      this.putBack(record);
      await this.#stages.holds.changed(this.#signal);
      this.#blockedBy = undefined;
      return;
    }
    const permit = await this.#stages.admission.acquire({
      ...needOf(mapped, Date.now()),
      signal: this.#signal,
    });
    void this.#stages.delivery
      .deliver([mapped], permit, this.#stages.observer, this.#signal)
      .catch((error: unknown) => {
        this.#stages.onTrouble(record, 'could not be delivered; it is tried again', error);
        void delay(LONGEST_WAIT_MS, this.#signal).then(() => this.#stages.observer.returned(mapped));
      });
  }

  /** Undefined after the signal. What is systemic (a schema registry that is away) is waited out. */
  async #map(record: SourceRecord): Promise<MappedRecord | undefined> {
    const { map, mapJudge } = this.#stages;
    const id = coordinatesText(record);
    for (let attempt = 1; ; attempt++) {
      if (this.#signal.aborted) return undefined;
      try {
        const mapped = await map(record);
        mapJudge.passed(id);
        return mapped;
      } catch (error) {
        if (attempt === 1 || attempt % 10 === 0)
          this.#stages.onTrouble(record, 'waits for its decoder', error);
        if (mapJudge.unwitnessed(id)) await this.#probe();
        if (mapJudge.failed(id) === 'alone') {
          mapJudge.forget(id);
          return {
            kind: 'quarantine',
            source: record,
            route: undefined,
            reason: 'undecodable',
            message: messageOf(error),
          };
        }
        this.#blockedBy = messageOf(error);
        await delay(Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)), this.#signal);
        this.#blockedBy = undefined;
      }
    }
  }

  /** No other record has been decoded meanwhile: the next in line shows whether it is this one alone. */
  async #probe(): Promise<void> {
    const next = this.#waiting[0];
    if (!next) return;
    try {
      await this.#stages.map(next);
      this.#stages.mapJudge.passed('probe');
    } catch {
      this.#stages.mapJudge.failed('probe');
    }
  }
}
