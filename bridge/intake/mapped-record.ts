import type { QuarantineReason, RecordInfo } from '../../workflows/contract.js';
import type { ResolvedRoute } from '../config/resolved.js';
import type { Priority } from '../config/types.js';
import type { SourceRecord } from '../record.js';

/**
 * A record's idempotency key, and where it came from: that decides how the workflow ID is made of it. Source `coordinates` has no text: topic, partition, offset and timestamp stand in for
 * it.
 */
export type RecordKey =
  | { readonly source: 'header' | 'route' | 'cloudevent'; readonly text: string }
  | { readonly source: 'coordinates'; readonly text: undefined };

/** A record that a route takes. */
export interface DeliverableRecord {
  readonly kind: 'deliver';
  readonly source: SourceRecord;
  readonly route: ResolvedRoute;
  readonly event: unknown;
  readonly info: RecordInfo;
  readonly key: RecordKey;
  readonly priority: Priority;
  /** Whose it is, for Temporal's fair share. */
  readonly fairnessKey?: string;
  /** Epoch milliseconds: its execution begins then, and not before. `undefined`: at once. */
  readonly notBeforeMs: number | undefined;
  /** The workflow that it is sent to, on a signal or update route. */
  readonly targetId: string | undefined;
  /** Which handling on purpose it is (`ktb reprocess`): what was delivered before must not hide it. */
  readonly generation?: number;
}

/** A record that no handler should see, with the reason; it becomes a quarantine workflow. */
export interface PoisonRecord {
  readonly kind: 'quarantine';
  readonly source: SourceRecord;
  /** Undefined where it could not be decoded or routed: it then counts against its topic. */
  readonly route: ResolvedRoute | undefined;
  readonly reason: QuarantineReason;
  readonly message: string;
}

/** A record that a filter, or `onUnrouted: 'ignore'`, passes by. */
export interface FilteredRecord {
  readonly kind: 'filtered';
  readonly source: SourceRecord;
  readonly route: ResolvedRoute | undefined;
}

/** A record that came later than its route's `maxAgeMs` allows. */
export interface ExpiredRecord {
  readonly kind: 'expired';
  readonly source: SourceRecord;
  readonly route: ResolvedRoute;
  readonly message: string;
}

export type MappedRecord = DeliverableRecord | PoisonRecord | FilteredRecord | ExpiredRecord;
