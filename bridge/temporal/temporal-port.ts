import type { DescribedExecution } from './describe.js';
import type { Priority as TaskPriority, SearchAttributePair, Duration } from '@temporalio/common';
import type { RetryShape } from '../../workflows/contract.js';
import type { TargetPort } from './target-port.js';

/**
 * Everything that this package asks of Temporal's service passes here. Adapters: `SdkTemporalPort` (the real server)
 * and, in tests, a double; one contract test runs against both.
 */
export interface TemporalPort extends TargetPort {
  /**
   * Starts an execution unless its ID is taken. Idempotent by request ID: the same one meets its own execution again,
   * also a closed one.
   * @throws TemporalFault
   */
  start(request: StartRequest): Promise<StartAnswer>;
  /** Undefined where no such execution is known. @throws TemporalFault */
  describe(workflowId: string, runId?: string): Promise<DescribedExecution | undefined>;
  /** The events of one run, in order. @throws TemporalFault */
  history(workflowId: string, runId: string): Promise<readonly HistoryEvent[]>;
  /** Tasks of both kinds that wait for a worker. @throws TemporalFault */
  backlog(taskQueue: string): Promise<Backlog>;
  /** How many executions of records ended badly, as far as visibility knows: it lags. @throws TemporalFault */
  countFailed(failed: FailedExecutions): Promise<number>;
  /** What this namespace can do: asked of the server, never guessed from versions. @throws TemporalFault */
  capabilities(): Promise<Capabilities>;
  close(): Promise<void>;
}

export interface StartRequest {
  readonly workflowId: string;
  readonly requestId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly args: readonly unknown[];
  readonly memo: Readonly<Record<string, unknown>>;
  /** Those that the namespace has are set; the others are left out. */
  readonly labels: RecordLabels;
  /** The user's own, from the route. */
  readonly searchAttributes?: readonly SearchAttributePair[];
  readonly workflowExecutionTimeout?: Duration;
  readonly workflowRunTimeout?: Duration;
  readonly workflowTaskTimeout?: Duration;
  readonly retry?: RetryShape;
  /** The first workflow task waits so long. */
  readonly startDelayMs?: number;
  readonly priority?: TaskPriority;
  /** One line for the execution's page in the UI; left out where the server would find it too large. */
  readonly summary?: string;
  /** Markdown for the same page. */
  readonly details?: string;
}

/** The bridge's own search attributes: `KtbRecord`, `KtbKey`, `KtbRoute` (Keyword), `KtbOffset` (Int). */
export interface RecordLabels {
  readonly record: string;
  readonly key: string | undefined;
  readonly route: string | undefined;
  readonly offset: bigint;
}

export type StartAnswer =
  /** `closed`: it is our own earlier start that was met again, and its execution has closed since. */
  | { readonly kind: 'started'; readonly runId: string; readonly closed?: true }
  /** Another start holds the ID; `requestId` is that start's, where the server says so. */
  | { readonly kind: 'taken'; readonly runId: string | undefined; readonly requestId: string | undefined };

/** What this package reads in a history. */
export interface HistoryEvent {
  readonly eventId: number;
  /** As in the API, e.g. `EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT`. */
  readonly type: string;
  /** Of a scheduled activity. */
  readonly activityId?: string;
  /** Of an event about an activity: its scheduling. */
  readonly scheduledEventId?: number;
  /** Whether a Reset ended a workflow task here. */
  readonly reset?: boolean;
}

export interface Backlog {
  readonly count: number;
  readonly ageMs: number;
  /** Whether a worker has polled lately. */
  readonly polled: boolean;
}

export interface Capabilities {
  readonly serverVersion: string;
  readonly standaloneActivities: boolean;
  /** Bytes that one payload field may have. */
  readonly blobSizeLimitBytes: number;
  /** Days after closing that an execution, and with it the dedupe entry, is kept. */
  readonly retentionMs: number | undefined;
  readonly searchAttributes: ReadonlySet<string>;
}

/** Executions of records that failed, timed out or were terminated; those in quarantine are none. */
export interface FailedExecutions {
  readonly routes: readonly string[];
  readonly taskQueues: readonly string[];
  /** Closed at or after, epoch milliseconds. */
  readonly from: number;
  /** Closed before. */
  readonly to: number;
}

/**
 * - `systemic`: Temporal is away, overloaded, or refuses us as a whole; the record is innocent.
 * - `rejected`: it refused this request for what it says.
 * - `oversized`: the request is larger than the server takes.
 */
export type FaultKind = 'systemic' | 'rejected' | 'oversized';

/** What a call to Temporal failed with, told apart once, here. */
export class TemporalFault extends Error {
  override readonly name = 'TemporalFault';
  readonly kind: FaultKind;
  /** The gRPC status name, e.g. `UNAVAILABLE`, where there is one. */
  readonly status: string | undefined;

  constructor(kind: FaultKind, message: string, options: { status?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.status = options.status;
  }
}
