import type { WorkflowExecutionDescription } from '@temporalio/client';

export type ExecutionStatus =
  | 'running'
  | 'completed'
  | 'failed'
  | 'canceled'
  | 'terminated'
  | 'continuedAsNew'
  | 'timedOut'
  | 'paused'
  | 'unknown';

/** An execution as Describe shows it. */
export interface DescribedExecution {
  readonly workflowId: string;
  readonly runId: string;
  readonly firstRunId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly status: ExecutionStatus;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly closedAt: number | undefined;
  readonly memo: Readonly<Record<string, unknown>>;
  readonly historyLength: number;
}

export function describedOf(found: WorkflowExecutionDescription): DescribedExecution {
  return {
    workflowId: found.workflowId,
    runId: found.runId,
    firstRunId: found.raw.workflowExecutionInfo?.firstRunId || found.runId,
    workflowType: found.type,
    taskQueue: found.taskQueue,
    status: statusOf(found.status.name),
    startedAt: found.startTime.getTime(),
    closedAt: found.closeTime?.getTime(),
    memo: found.memo ?? {},
    historyLength: found.historyLength,
  };
}

const STATUSES: Readonly<Record<string, ExecutionStatus>> = {
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'canceled',
  CANCELED: 'canceled',
  TERMINATED: 'terminated',
  CONTINUED_AS_NEW: 'continuedAsNew',
  TIMED_OUT: 'timedOut',
  PAUSED: 'paused',
};

/** By the API's name, as `TIMED_OUT`. */
export function statusOf(name: string): ExecutionStatus {
  return STATUSES[name] ?? 'unknown';
}
