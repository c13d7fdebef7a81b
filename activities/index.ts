/** The activities of our own workflows. What they need of the bridge is handed in by bridge/own-worker.ts. */
import { activityInfo } from '@temporalio/activity';
import {
  DELIVER_TO_TARGET_ACTIVITY,
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  PUBLISH_EVENT_ACTIVITY,
  PUBLISH_EVENTS_ACTIVITY,
  type PublishRequest,
  type QuarantineInput,
  type RecordInfo,
  type TargetRouteInput,
} from '../workflows/contract.js';
import { dispatchRecord, decisionIn, type Dispatch } from './dispatch-record.js';
import { deliverToTarget, type DeliverToTarget } from './deliver-to-target.js';
import { happenedBeforeReset } from './failure-origin.js';
import { publishEvent, publishEvents, type Publisher } from './publish-event.js';

export { MarkRun, type HandlerCall } from './mark-run.js';
export { onReleaseCapacity, releaseCapacity } from './release-capacity.js';
export type { DeliverToTarget } from './deliver-to-target.js';
export type { Dispatch } from './dispatch-record.js';
export type { Publisher, PublishOutcome } from './publish-event.js';

export interface OwnActivityDependencies {
  readonly dispatch: Dispatch;
  readonly deliver: DeliverToTarget;
  readonly publisher: Publisher;
  readonly history: (workflowId: string, runId: string) => Promise<Parameters<typeof happenedBeforeReset>[0]>;
}

export function createOwnActivities(dependencies: OwnActivityDependencies) {
  return {
    [DISPATCH_RECORD_ACTIVITY]: (input: QuarantineInput, ...rest: unknown[]) =>
      dispatchRecord(input, dependencies.dispatch, decisionIn(rest)),
    [DELIVER_TO_TARGET_ACTIVITY]: (event: unknown, record: RecordInfo, input: TargetRouteInput) =>
      deliverToTarget(event, record, input, dependencies.deliver),
    [PUBLISH_EVENT_ACTIVITY]: (request: PublishRequest, event: unknown) =>
      publishEvent(request, event, dependencies.publisher),
    // Behind the events stands the call's {@link HandlerCall}.
    [PUBLISH_EVENTS_ACTIVITY]: (requests: readonly PublishRequest[], ...rest: unknown[]) =>
      publishEvents(requests, rest.slice(0, requests.length), dependencies.publisher),
    [FAILURE_ORIGIN_ACTIVITY]: async (activityId: string) => {
      const { workflowExecution } = activityInfo();
      const { workflowId = '', runId = '' } = workflowExecution ?? {};
      const events = await dependencies.history(workflowId, runId);
      return { history: happenedBeforeReset(events, activityId), run: runId };
    },
  };
}
