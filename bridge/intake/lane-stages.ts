import type { Admission } from '../admission/admission.js';
import type { RouteHolds } from '../admission/route-holds.js';
import type { Priority } from '../config/types.js';
import type { Delivery, DeliveryObserver } from '../delivery/delivery.js';
import type { FaultJudge } from '../delivery/fault-judge.js';
import type { SourceRecord } from '../record.js';
import type { Shaping } from '../shaping/shaping.js';
import type { KeyPriorities } from './key-priorities.js';
import type { MappedRecord } from './mapped-record.js';

/** What a partition's records pass through, and who is told of them. */
export interface LaneStages {
  readonly map: (record: SourceRecord) => Promise<MappedRecord>;
  /** A record's priority, where it can be told without decoding it. */
  readonly priorityOf: (record: SourceRecord) => Priority | undefined;
  readonly mapJudge: FaultJudge;
  readonly holds: Pick<RouteHolds, 'holdOf' | 'changed'>;
  readonly shaping: Shaping;
  readonly keyPriorities: KeyPriorities;
  readonly admission: Pick<Admission, 'acquire'>;
  readonly delivery: Delivery;
  readonly observer: DeliveryObserver;
  /** Something that should not happen, or that lasts: for the log. */
  readonly onTrouble: (record: SourceRecord, message: string, error: unknown) => void;
  /** A record waits: its route is held, its decoder away, or its route asks for none (`demand`). */
  readonly onDeferred?: (why: 'held' | 'decoder' | 'demand') => void;
}
