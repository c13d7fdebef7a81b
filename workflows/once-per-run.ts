import {
  ActivityFailure,
  ApplicationFailure,
  isCancellation,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { FailureRun } from './contract.js';

/** What {@link FAILURE_ORIGIN_ACTIVITY} is called as. */
interface OriginActivities {
  ktbFailureOrigin(activityId: string): Promise<{ readonly history: boolean; readonly run: string }>;
}

const { ktbFailureOrigin } = proxyActivities<OriginActivities>({
  startToCloseTimeout: '20s',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
});

/**
 * Runs a call until its outcome belongs to this run. So a Reset to *any* event replays: a failure that the history
 * brings along from the run before the Reset is not this run's, and the call is made again.
 *
 * The failure itself says in which run it happened; a time-out, where no process could say so, is looked up in the
 * history.
 */
export async function oncePerRun<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
      const run = runOfFailure(error) ?? (await originOf(error));
      if (run === workflowInfo().runId) throw error;
    }
  }
}

function runOfFailure(error: ActivityFailure): string | undefined {
  const { cause } = error;
  if (!(cause instanceof ApplicationFailure)) return undefined;
  const last = cause.details?.at(-1) as Partial<FailureRun> | undefined;
  return typeof last?.ktbRun === 'string' ? last.ktbRun : undefined;
}

async function originOf(error: ActivityFailure): Promise<string | undefined> {
  const origin = await ktbFailureOrigin(error.activityId ?? '');
  return origin.history ? undefined : origin.run;
}
