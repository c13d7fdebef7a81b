import { proxyActivities, workflowInfo } from '@temporalio/workflow';
import { withReason } from './activity-route.js';
import type { RecordInfo, TargetRouteInput } from './contract.js';
import { oncePerRun } from './once-per-run.js';

interface DeliverActivities {
  ktbDeliverToTarget(event: unknown, record: RecordInfo, input: TargetRouteInput): Promise<unknown>;
}

const { ktbDeliverToTarget } = proxyActivities<DeliverActivities>({
  // Each attempt is short, also that of an update that takes long: the next one asks again. No heartbeat time-out: the
  // details that an attempt notes must not be overwritten by a sign of life on its way.
  startToCloseTimeout: '30s',
  // Its own faults end it at once (non-retryable); what is systemic is tried until it has passed.
  retry: { initialInterval: '1s', maximumInterval: '1m' },
});

/**
 * An event for a workflow that already runs. It stays as the event's dedupe entry, whatever becomes of its target, and
 * its result is the update's. What can't be delivered is this workflow, failed: the dead letter.
 */
export async function ktbTargetRoute(
  event: unknown,
  record: RecordInfo,
  input: TargetRouteInput,
): Promise<unknown> {
  const { runId, firstExecutionRunId } = workflowInfo();
  // The target has answered an update's ID for good. After a Reset it is asked anew; a signal that came never comes again.
  const requestId =
    input.kind === 'update' && runId !== firstExecutionRunId
      ? `${input.requestId}:${runId}`
      : input.requestId;
  try {
    return await oncePerRun(() => ktbDeliverToTarget(event, record, { ...input, requestId }));
  } catch (error) {
    throw withReason(error);
  }
}
