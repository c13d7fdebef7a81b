import { ActivityFailure, ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { ActivityRouteOptions, RecordInfo } from './contract.js';
import { oncePerRun } from './once-per-run.js';

/** Runs one activity of the user's with `(event, record)`. What fails for good is this workflow, failed: the dead letter. */
export async function ktbActivityRoute(
  event: unknown,
  record: RecordInfo,
  options: ActivityRouteOptions,
): Promise<unknown> {
  const { retry } = options;
  const activities = proxyActivities<
    Record<string, (event: unknown, record: RecordInfo) => Promise<unknown>>
  >({
    startToCloseTimeout: options.startToCloseTimeoutMs,
    ...(options.scheduleToCloseTimeoutMs === undefined
      ? {}
      : { scheduleToCloseTimeout: options.scheduleToCloseTimeoutMs }),
    heartbeatTimeout: options.heartbeatTimeoutMs,
    retry: {
      // Endless retries travel as null: JSON knows no Infinity.
      ...(Number.isFinite(retry.maximumAttempts) && retry.maximumAttempts > 0
        ? { maximumAttempts: retry.maximumAttempts }
        : {}),
      initialInterval: retry.initialIntervalMs,
      maximumInterval: retry.maximumIntervalMs,
      backoffCoefficient: retry.backoffCoefficient,
      nonRetryableErrorTypes: [...retry.nonRetryableErrors],
    },
  });
  const call = activities[options.activity];
  if (!call)
    throw ApplicationFailure.nonRetryable(`Expected the route to name an activity, got ${options.activity}`);
  try {
    return await oncePerRun(() => call(event, record));
  } catch (error) {
    throw withReason(error);
  }
}

/** The list in the UI shows the outermost message only: it should be the handler's own. */
export function withReason(error: unknown): unknown {
  if (error instanceof ActivityFailure && error.cause instanceof Error && error.cause.message) {
    return ApplicationFailure.create({
      message: error.cause.message,
      type: error.cause instanceof ApplicationFailure ? (error.cause.type ?? undefined) : error.cause.name,
      nonRetryable: true,
      cause: error,
    });
  }
  return error;
}
