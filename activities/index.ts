/** The activities of our own workflows. What they need of the bridge is handed in by bridge/own-worker.ts. */
import { activityInfo } from '@temporalio/activity';
import {
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  type QuarantineInput,
} from '../workflows/contract.js';
import { dispatchRecord, decisionIn, type Dispatch } from './dispatch-record.js';
import { happenedBeforeReset } from './failure-origin.js';

export { MarkRun, type HandlerCall } from './mark-run.js';
export type { Dispatch } from './dispatch-record.js';

export interface OwnActivityDependencies {
  readonly dispatch: Dispatch;
  readonly history: (workflowId: string, runId: string) => Promise<Parameters<typeof happenedBeforeReset>[0]>;
}

export function createOwnActivities(dependencies: OwnActivityDependencies) {
  return {
    [DISPATCH_RECORD_ACTIVITY]: (input: QuarantineInput, ...rest: unknown[]) =>
      dispatchRecord(input, dependencies.dispatch, decisionIn(rest)),
    [FAILURE_ORIGIN_ACTIVITY]: async (activityId: string) => {
      const { workflowExecution } = activityInfo();
      const { workflowId = '', runId = '' } = workflowExecution ?? {};
      const events = await dependencies.history(workflowId, runId);
      return { history: happenedBeforeReset(events, activityId), run: runId };
    },
  };
}
