import type { Info } from '@temporalio/activity';
import { ApplicationFailure, type Duration, type RetryPolicy } from '@temporalio/common';
import { msToNumber } from '@temporalio/common/lib/time.js';

type Attempt = Pick<Info, 'attempt' | 'retryPolicy' | 'scheduledTimestampMs' | 'scheduleToCloseTimeoutMs'>;

/** Temporal's own, where a policy does not say. */
const DEFAULT_INITIAL_MS = 1_000;
const DEFAULT_COEFFICIENT = 2;
const DEFAULT_MAXIMUM_FACTOR = 100;

/**
 * How long the server waits before it calls an activity again that failed so, ms; undefined where it won't: then the
 * workflow hears of the failure at once. Of an unknown policy nothing is assumed.
 */
export function retryWaitMs(error: unknown, attempt: Attempt, nowMs: number): number | undefined {
  const { retryPolicy } = attempt;
  if (!retryPolicy || !isRetried(error, retryPolicy)) return undefined;
  const { maximumAttempts } = retryPolicy;
  if (maximumAttempts !== undefined && maximumAttempts > 0 && attempt.attempt >= maximumAttempts)
    return undefined;
  const asked = error instanceof ApplicationFailure ? error.nextRetryDelay : undefined;
  const wait = asked === undefined || asked === null ? backoffMs(retryPolicy, attempt.attempt) : ms(asked);
  const endsAt = attempt.scheduledTimestampMs + attempt.scheduleToCloseTimeoutMs;
  return attempt.scheduleToCloseTimeoutMs > 0 && nowMs + wait > endsAt ? undefined : wait;
}

function backoffMs(policy: RetryPolicy, attempt: number): number {
  const initial = policy.initialInterval ? ms(policy.initialInterval) : DEFAULT_INITIAL_MS;
  const maximum = policy.maximumInterval ? ms(policy.maximumInterval) : initial * DEFAULT_MAXIMUM_FACTOR;
  return Math.min(maximum, initial * (policy.backoffCoefficient || DEFAULT_COEFFICIENT) ** (attempt - 1));
}

function isRetried(error: unknown, { nonRetryableErrorTypes }: RetryPolicy): boolean {
  if (!(error instanceof Error)) return true;
  if (error.name === 'CompleteAsyncError' || error.name === 'CancelledFailure' || error.name === 'AbortError')
    return false;
  const own = error instanceof ApplicationFailure ? error : undefined;
  if (own?.nonRetryable) return false;
  return !nonRetryableErrorTypes?.includes(own ? (own.type ?? '') : error.name);
}

function ms(duration: Duration): number {
  return msToNumber(duration);
}
