/**
 * What workflows, activities and the bridge agree on: names and shapes that stand in histories. They change only
 * together with `patched()` (design: our workflows outlive a release).
 */

/** What a handler is told of its record, beside the event. It is JSON: it travels as the second argument. */
export interface RecordInfo {
  readonly topic: string;
  readonly partition: number;
  /** A decimal string: offsets are 64-bit. */
  readonly offset: string;
  /** UTF-8 text, `~hex:<hex>` for other bytes, `null` where the record has no key. */
  readonly key: string | null;
  /** As text, like `key`; a header that stands several times is an array. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Epoch milliseconds. */
  readonly timestamp: number;
  readonly eventType: string | null;
  readonly idempotencyKey: string | null;
}

/** The workflow type of an activity route: it runs one activity of the user's with the route's retry policy. */
export const ACTIVITY_ROUTE_WORKFLOW = 'ktbActivityRoute';

/** The workflow type of a record that could not be taken. */
export const QUARANTINE_WORKFLOW = 'ktbQuarantine';

/** The workflow type of an event for a workflow that already runs: it delivers a signal or an update, once. */
export const TARGET_ROUTE_WORKFLOW = 'ktbTargetRoute';

/** The activity that sends the signal or the update. */
export const DELIVER_TO_TARGET_ACTIVITY = 'ktbDeliverToTarget';

/** The activity that maps and starts a quarantined record again. */
export const DISPATCH_RECORD_ACTIVITY = 'ktbDispatchRecord';

/** The activity that says whether an activity's failure happened before this run was reset. */
export const FAILURE_ORIGIN_ACTIVITY = 'ktbFailureOrigin';

/** The activities behind `publish` and `publishAll`: they run for users' workflows, on our task queue. */
export const PUBLISH_EVENT_ACTIVITY = 'ktbPublishEvent';
export const PUBLISH_EVENTS_ACTIVITY = 'ktbPublishEvents';

/** Our own task queue: a flood of the user's work can't starve our workflows there. */
export function ownTaskQueue(taskQueue: string): string {
  return `${taskQueue}-ktb`;
}

/** Durations in milliseconds, counts plain: the JSON form of Temporal's retry policy. */
export interface RetryShape {
  readonly maximumAttempts: number;
  readonly initialIntervalMs: number;
  readonly maximumIntervalMs: number;
  readonly backoffCoefficient: number;
  readonly nonRetryableErrors: readonly string[];
}

/** The third argument of {@link ACTIVITY_ROUTE_WORKFLOW}, after event and record. */
export interface ActivityRouteOptions {
  readonly activity: string;
  readonly retry: RetryShape;
  readonly startToCloseTimeoutMs: number;
  readonly scheduleToCloseTimeoutMs?: number;
  readonly heartbeatTimeoutMs: number;
}

/** The third argument of {@link TARGET_ROUTE_WORKFLOW}, after event and record. */
export interface TargetRouteInput {
  readonly kind: 'signal' | 'update';
  /** Of the signal or the update. */
  readonly name: string;
  /** Of the workflow that gets it, verbatim. */
  readonly workflowId: string;
  /** The signal's request ID, the update's ID: the same in every attempt. */
  readonly requestId: string;
  /** Where there is no such workflow, and nothing to start. */
  readonly waitForWorkflowMs: number;
  readonly onClosed: 'deadLetter' | 'startNew';
  /** What is started with it where there is no such workflow. */
  readonly start: TargetStart | null;
}

/** Durations are as the route gives them: milliseconds, or text. */
export interface TargetStart {
  readonly workflow: string;
  readonly taskQueue: string;
  readonly memo?: Readonly<Record<string, unknown>>;
  readonly workflowExecutionTimeout?: number | string;
  readonly workflowRunTimeout?: number | string;
  readonly workflowTaskTimeout?: number | string;
}

/** What became of a signal; an update's result is its handler's. */
export interface SignalResult {
  readonly workflowId: string;
  readonly runId: string;
}

/** Why a record is in quarantine. */
export type QuarantineReason =
  | 'undecodable'
  | 'unroutable'
  | 'invalid-key'
  | 'missing-key'
  | 'invalid-delay'
  | 'invalid-target'
  | 'expired'
  | 'conflict'
  | 'foreign'
  | 'oversized'
  | 'rejected';

/**
 * The first argument of {@link QUARANTINE_WORKFLOW}. Bytes are base64, so that the whole input is readable JSON in
 * the UI and nothing is lost in it.
 */
export interface QuarantineInput {
  readonly subscription: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestamp: number;
  readonly reason: QuarantineReason;
  readonly message: string;
  readonly route: string | null;
  /** The first 1,000 characters of the value as text, for the reader in the UI. */
  readonly preview: string | null;
  readonly valueBytes: number | null;
  readonly valueSha256: string | null;
  /** `null` where the record was too large for Temporal: only coordinates and hash are kept. */
  readonly raw: RawRecord | null;
  /** Where `raw` is null: until when Kafka keeps the record, as far as the topic's retention tells (ISO 8601). */
  readonly keptUntil?: string;
}

export interface RawRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** The second argument of {@link QUARANTINE_WORKFLOW}: what shall become of the record, by whom and why. */
export type QuarantineDecision = {
  readonly who: string;
  readonly why: string;
} & (
  | { readonly action: 'drop' }
  /** Another idempotency key. */
  | { readonly action: 'startAs'; readonly key: string }
  /** Another value: bytes as base64. */
  | { readonly action: 'replaceValue'; readonly value: string }
);

/** What became of a quarantined record that was sent through, or `dropped`. */
export interface DispatchResult {
  readonly outcome: string;
  readonly workflowId: string | null;
  readonly runId: string | null;
}

/** Detail of an activity failure in our own workflows: in which run it happened. Another run's failure is history. */
export interface FailureRun {
  readonly ktbRun: string;
}

/** What the bridge notes about every execution that it starts. */
export interface RecordMemo {
  readonly subscription: string;
  readonly route: string;
  readonly key: string | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly timestamp: number;
  /** Epoch milliseconds: when the bridge fetched it. */
  readonly processedAt: number;
  /** Its right to be in work, where the capacity loop gave one: see capacity/contract.ts. */
  readonly slot?: string;
}

/** Of an event that a workflow publishes. What has no value is left out, an array is several headers. */
export type PublishHeaders = Readonly<
  Record<string, string | number | boolean | readonly (string | number | boolean)[] | null | undefined>
>;

/** What is told of an event that is to be published, beside the event: that is an argument of its own, as it may be bytes. */
export interface PublishRequest {
  readonly topic: string;
  readonly key: string | null;
  readonly headers: PublishHeaders;
  /** What its idempotency key is made of: the same for a retry, a replay and a Reset. */
  readonly identity: readonly string[];
}

/** Where a published event stands. */
export interface PublishedEvent {
  readonly topic: string;
  readonly partition: number;
  /** A decimal string; `-1` where the broker has it from an attempt before, and no longer knows where. */
  readonly offset: string;
  /** Epoch milliseconds. */
  readonly timestamp: number;
}
