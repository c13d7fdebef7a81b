import type { Client } from '@temporalio/client';
import { concurrently } from '../../bridge/operate/concurrently.js';
import { temporal } from '../../bridge/temporal/proto.js';
import { historyOf, type History } from '../helpers/temporal.js';

/** When a run was made by a Reset, in epoch milliseconds: the server notes it as a failed task in the new history. */
export function resetTimeOf(history: History): number | undefined {
  const { WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW } = temporal.api.enums.v1.WorkflowTaskFailedCause;
  const event = history.events?.find(
    ({ workflowTaskFailedEventAttributes: failed }) =>
      failed?.cause === WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
  );
  const at = event?.eventTime;
  return at ? Number(at.seconds ?? 0) * 1000 + Math.floor((at.nanos ?? 0) / 1e6) : undefined;
}

/** Of all these runs; those that no Reset has made are left out. */
export async function resetTimes(
  client: Client,
  runs: Iterable<{ readonly workflowId: string; readonly runId: string }>,
): Promise<readonly number[]> {
  const times: number[] = [];
  const read = concurrently(runs, async ({ workflowId, runId }) =>
    resetTimeOf(await historyOf(client, workflowId, runId)),
  );
  for await (const time of read) if (time !== undefined) times.push(time);
  return times;
}

/** The most that fall into one second, wherever that second begins. */
export function mostInASecond(times: readonly number[]): number {
  const ordered = times.toSorted((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [index, time] of ordered.entries()) {
    while (time - ordered[first]! >= 1_000) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
