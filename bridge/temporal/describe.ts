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
