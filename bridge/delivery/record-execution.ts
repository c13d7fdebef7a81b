import {
  ACTIVITY_ROUTE_WORKFLOW,
  ownTaskQueue,
  TARGET_ROUTE_WORKFLOW,
  type TargetRouteInput,
} from '../../workflows/contract.js';
import type { RouteTarget } from '../config/resolved.js';
import type { StartOptions } from '../config/types.js';
import type { DeliverableRecord } from '../intake/mapped-record.js';
import { deliveryRequestId } from '../temporal/ids.js';
import type { StartRequest } from '../temporal/temporal-port.js';

interface ExecutionScope {
  /** The subscription's. */
  readonly name: string;
  readonly taskQueue: string;
}

/** What is executed for a record: the user's workflow, or one of ours around an activity, a signal or an update. */
export function executionOf(
  record: DeliverableRecord,
  scope: ExecutionScope,
): Pick<StartRequest, 'workflowType' | 'taskQueue' | 'args'> {
  const { event, info, route } = record;
  const { target } = route;
  if (target.kind === 'workflow') {
    const taskQueue = target.options.taskQueue ?? scope.taskQueue;
    return { workflowType: target.workflow, taskQueue, args: [event, info] };
  }
  const taskQueue = ownTaskQueue(scope.taskQueue);
  if (target.kind === 'activity')
    return { workflowType: ACTIVITY_ROUTE_WORKFLOW, taskQueue, args: [event, info, target.activity] };
  return {
    workflowType: TARGET_ROUTE_WORKFLOW,
    taskQueue,
    args: [event, info, targetInputOf(record, target, scope)],
  };
}

/** It stands in the record workflow's input, so that a later configuration changes nothing of what is under way. */
function targetInputOf(
  record: DeliverableRecord,
  target: Extract<RouteTarget, { kind: 'signal' | 'update' }>,
  scope: ExecutionScope,
): TargetRouteInput {
  const { source, route } = record;
  const { kind, name, waitForWorkflowMs, onClosed, options } = target;
  return {
    kind,
    name,
    workflowId: record.targetId ?? '',
    requestId: deliveryRequestId(scope.name, route.id, source, source.value, record.generation),
    waitForWorkflowMs,
    onClosed,
    start:
      target.start === undefined
        ? null
        : {
            workflow: target.start,
            taskQueue: options.taskQueue ?? scope.taskQueue,
            ...(options.memo === undefined ? {} : { memo: options.memo }),
            ...timeoutsOf(options),
          },
  };
}

export function timeoutsOf({
  workflowExecutionTimeout,
  workflowRunTimeout,
  workflowTaskTimeout,
}: StartOptions): Pick<
  StartOptions,
  'workflowExecutionTimeout' | 'workflowRunTimeout' | 'workflowTaskTimeout'
> {
  return {
    ...(workflowExecutionTimeout === undefined ? {} : { workflowExecutionTimeout }),
    ...(workflowRunTimeout === undefined ? {} : { workflowRunTimeout }),
    ...(workflowTaskTimeout === undefined ? {} : { workflowTaskTimeout }),
  };
}
