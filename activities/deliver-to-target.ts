import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { RecordInfo, TargetRouteInput } from '../workflows/contract.js';

/** What a delivery needs to know of the attempt that it is. */
export interface DeliveryAttempt {
  /** What the attempt before has noted last. */
  readonly noted: unknown;
  /** For the notes of this one. */
  readonly taskToken: Uint8Array;
  /** Since when the delivery has been tried, epoch milliseconds. */
  readonly since: number;
}

/**
 * Sends an event's signal or update.
 * @returns its result; `refused` with the reason and its type, where it never will be taken; `waits`, where it should be tried again
 * @throws what is systemic: it is tried again
 */
export type DeliverToTarget = (
  event: unknown,
  record: RecordInfo,
  input: TargetRouteInput,
  attempt: DeliveryAttempt,
) => Promise<
  | { readonly result: unknown }
  | { readonly refused: string; readonly type: string }
  | { readonly waits: string; readonly forMs: number }
>;

const LONGEST_WAIT_MS = 5_000;

/** The one activity of a target route's workflow: it fails for good with the reason, or the event is delivered. */
export async function deliverToTarget(
  event: unknown,
  record: RecordInfo,
  input: TargetRouteInput,
  deliver: DeliverToTarget,
): Promise<unknown> {
  const info = activityInfo();
  const delivered = await deliver(event, record, input, {
    noted: info.heartbeatDetails as unknown,
    taskToken: info.taskToken,
    since: info.scheduledTimestampMs,
  });
  if ('result' in delivered) return delivered.result;
  if ('refused' in delivered) throw ApplicationFailure.nonRetryable(delivered.refused, delivered.type);
  throw ApplicationFailure.create({
    message: delivered.waits,
    type: 'Ktb.waits',
    nextRetryDelay: Math.max(100, Math.min(delivered.forMs, LONGEST_WAIT_MS, 100 * 2 ** (info.attempt - 1))),
  });
}
