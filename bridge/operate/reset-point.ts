import type { History } from '../temporal/operator-port.js';

export type ReplayFrom = 'failing-step' | 'start';

/** Where a history may be reset to. */
export interface ResetPoint {
  /** The WorkflowTaskCompleted that is done anew. */
  readonly eventId: number;
  /** Completed workflow tasks before it: with none, there is nothing that changed code could disagree with. */
  readonly tasksBefore: number;
}

/**
 * The event that a replay resets to. `hinted` is the one that the failure itself names (our interceptor's); without one,
 * or if it isn't there, it is found in the history. Undefined where no worker has completed a task yet: the server
 * refuses to reset such an execution. Pure.
 */
export function resetPointOf(history: History, from: ReplayFrom, hinted?: number): ResetPoint | undefined {
  const events = history.events ?? [];
  const tasks = events
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map((event) => Number(event.eventId));
  const point = (eventId: number | undefined): ResetPoint | undefined =>
    eventId === undefined
      ? undefined
      : { eventId, tasksBefore: tasks.filter((task) => task < eventId).length };
  if (from === 'start') return point(tasks[0]);
  if (hinted !== undefined && tasks.includes(hinted)) return point(hinted);
  const ofStep = taskOfFailedStep(events);
  return point(ofStep !== undefined && tasks.includes(ofStep) ? ofStep : tasks.at(-1));
}

type Events = NonNullable<History['events']>;

/** The workflow task that asked for the step which failed last, if a failed step is what ended it. */
function taskOfFailedStep(events: Events): number | undefined {
  const failure = events.findLast((event) => event.workflowExecutionFailedEventAttributes);
  if (!failure) return undefined; // terminated or timed out: its last task is done anew, and with it what was under way
  for (const event of [...events].reverse()) {
    const scheduled =
      event.activityTaskFailedEventAttributes?.scheduledEventId ??
      event.activityTaskTimedOutEventAttributes?.scheduledEventId;
    const initiated =
      event.childWorkflowExecutionFailedEventAttributes?.initiatedEventId ??
      event.childWorkflowExecutionTimedOutEventAttributes?.initiatedEventId;
    const cause = scheduled ?? initiated;
    if (cause === undefined || cause === null) continue;
    const asked = events.find((one) => Number(one.eventId) === Number(cause));
    const task =
      asked?.activityTaskScheduledEventAttributes?.workflowTaskCompletedEventId ??
      asked?.startChildWorkflowExecutionInitiatedEventAttributes?.workflowTaskCompletedEventId;
    return task === undefined || task === null ? undefined : Number(task);
  }
  return undefined;
}

/**
 * What a worker has seen of a history when it does the task at `eventId` anew: everything before the task's end. Replaying
 * it shows whether today's code still fits.
 */
export function prefixBefore(history: History, eventId: number): History {
  return { events: (history.events ?? []).filter((event) => Number(event.eventId) < eventId) };
}
