import type { temporal } from '@temporalio/proto';
import type { DescribedExecution, ExecutionStatus } from './describe.js';

/**
 * What operating asks of Temporal's service, beside what the bridge does (`TemporalPort`). Adapters:
 * `SdkOperatorPort` (the real server) and, in tests, a double; one contract test runs against both.
 *
 * Every call throws a {@link TemporalFault}.
 */
export interface OperatorPort {
  /** What visibility knows, newest first; it lags behind by a second or so. */
  list(query: string, signal?: AbortSignal): AsyncIterable<ListedExecution>;
  /** Undefined where no such execution is known. Without a run: the current one. */
  inspect(workflowId: string, runId?: string): Promise<InspectedExecution | undefined>;
  /** How a run ended. */
  closing(workflowId: string, runId: string): Promise<Closing>;
  /** All events of a run, as the server has them. */
  events(workflowId: string, runId: string): Promise<History>;
  /** What a run was started with, decoded. */
  input(workflowId: string, runId: string): Promise<readonly unknown[]>;
  /**
   * @returns the new run's ID; where another run has come after the given one already, that run's: nothing is reset twice
   */
  reset(request: ResetRequest): Promise<string>;
  /**
   * Another run of the same ID, with other arguments; type, task queue, memo and search attributes are those of the run
   * before. One that is open is terminated; one that has completed is not begun again (`rejected`).
   * @returns the new run's ID
   */
  startAgain(workflowId: string, runId: string, args: readonly unknown[]): Promise<string>;
  /** Begins a job on the server that resets all of them; it goes on without us. */
  startResetJob(job: ResetJob): Promise<void>;
  job(jobId: string): Promise<JobState>;
  /** Names of those that polled lately. */
  pollers(taskQueue: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

export type History = temporal.api.history.v1.IHistory;

export interface ListedExecution {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly status: ExecutionStatus;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly closedAt: number | undefined;
  readonly memo: Readonly<Record<string, unknown>>;
}

export interface InspectedExecution extends DescribedExecution {
  readonly pendingActivities: readonly PendingActivity[];
}

/** An activity that runs, or waits for its next attempt. */
export interface PendingActivity {
  readonly activityType: string;
  readonly state: 'scheduled' | 'started' | 'cancelRequested' | 'paused' | 'unknown';
  readonly attempt: number;
  /** Epoch milliseconds, where another attempt is waited for. */
  readonly nextAttemptAt: number | undefined;
  readonly lastFailure: string | undefined;
}

export type Closing =
  | { readonly kind: 'open' }
  | { readonly kind: 'completed'; readonly result: unknown }
  /** Failed, timed out, cancelled or terminated: as the SDK's own error, whose causes have the reason. */
  | { readonly kind: 'failed'; readonly error: Error };

/** What happens to the events after the place that is reset to. */
export type Reapply = 'all' | 'signals' | 'updates' | 'none';

export interface ResetRequest {
  readonly workflowId: string;
  readonly runId: string;
  /** The workflow task that is done anew: its WorkflowTaskCompleted. */
  readonly eventId: number;
  /** Who and why: it stands in the history. */
  readonly reason: string;
  readonly requestId: string;
  readonly reapply: Reapply;
}

export interface ResetJob {
  readonly jobId: string;
  readonly executions: readonly { readonly workflowId: string; readonly runId: string }[];
  readonly eventId: number;
  readonly reason: string;
  readonly reapply: Reapply;
}

export interface JobState {
  readonly state: 'running' | 'completed' | 'failed';
  readonly total: number;
  readonly done: number;
  readonly failed: number;
}
