import { randomUUID } from 'node:crypto';
import {
  ApplicationFailure,
  arrayFromPayloads,
  defaultFailureConverter,
  defaultPayloadConverter,
  toPayloads,
} from '@temporalio/common';
import type { temporal as api } from '@temporalio/proto';
import type { ExecutionStatus } from '../../../bridge/temporal/describe.js';
import type { PendingActivity } from '../../../bridge/temporal/operator-port.js';
import { temporal } from '../../../bridge/temporal/proto.js';
import { TELL, type Activities, type Step } from '../scripted/steps.js';

type Event = api.api.history.v1.IHistoryEvent;
type Failure = api.api.failure.v1.IFailure;

export interface RunStart {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly memo: Readonly<Record<string, unknown>>;
  readonly args: readonly unknown[];
  readonly steps: readonly Step[];
  readonly searchAttributes: Readonly<Record<string, unknown>>;
  /** The failure's message names the event to reset to, as our interceptor's do. */
  readonly hinted: boolean;
}

export interface RunSurroundings {
  readonly activities: Activities;
  /** Whether somebody polls this task queue. */
  readonly polled: (taskQueue: string) => boolean;
  readonly changed: (run: ScriptedRun) => void;
  readonly goOn: (run: ScriptedRun, steps: readonly Step[]) => string;
}

const encoded = (values: readonly unknown[]) => ({
  payloads: toPayloads(defaultPayloadConverter, ...values) ?? [],
});

/** One run of a scripted workflow: its history, in the events that a server writes, and the worker that goes through it. */
export class ScriptedRun {
  readonly start: RunStart;
  readonly runId: string;
  readonly firstRunId: string;
  readonly startedAt = Date.now();
  readonly events: Event[] = [];
  status: ExecutionStatus = 'running';
  closedAt: number | undefined;
  pending: PendingActivity | undefined;
  readonly #around: RunSurroundings;

  constructor(start: RunStart, around: RunSurroundings, runId: string = randomUUID(), firstRunId = runId) {
    this.start = start;
    this.#around = around;
    this.runId = runId;
    this.firstRunId = firstRunId;
  }

  /** @returns the event's ID */
  add(type: string, attributes: object = {}): number {
    const eventId = this.events.length + 1;
    const name = type.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    this.events.push(
      temporal.api.history.v1.HistoryEvent.fromObject({
        eventId,
        eventType: `EVENT_TYPE_${type}`,
        eventTime: { seconds: Math.floor(Date.now() / 1000) },
        [`${name}EventAttributes`]: attributes,
      }),
    );
    return eventId;
  }

  begin(): void {
    const { workflowType, taskQueue, args } = this.start;
    this.add('WORKFLOW_EXECUTION_STARTED', {
      workflowType: { name: workflowType },
      taskQueue: { name: taskQueue },
      input: encoded(args),
      originalExecutionRunId: this.runId,
      firstExecutionRunId: this.firstRunId,
    });
    this.wake();
  }

  signal(name: string, args: readonly unknown[]): void {
    this.add('WORKFLOW_EXECUTION_SIGNALED', { signalName: name, input: encoded(args) });
  }

  /** A new task; a worker takes it at once, if one polls. */
  wake(): void {
    const last = this.events.at(-1)?.workflowTaskScheduledEventAttributes;
    if (!last) this.add('WORKFLOW_TASK_SCHEDULED', { taskQueue: { name: this.start.taskQueue } });
    this.work();
  }

  work(): void {
    while (
      this.status === 'running' &&
      this.events.at(-1)?.workflowTaskScheduledEventAttributes &&
      this.#around.polled(this.start.taskQueue)
    )
      this.#task();
    this.#around.changed(this);
  }

  close(status: ExecutionStatus, type: string, attributes: object = {}): void {
    if (this.status !== 'running') return;
    this.add(type, attributes);
    this.status = status;
    this.closedAt = Date.now();
    this.pending = undefined;
    this.#around.changed(this);
  }

  /** The pending activity is called once more. */
  retry(): void {
    const scheduled = this.events.findLast((event) => event.activityTaskScheduledEventAttributes);
    if (!this.pending || !scheduled) throw new Error('Expected an activity that waits for its next attempt');
    this.#attempt(Number(scheduled.eventId), this.pending.activityType, this.pending.attempt);
    this.work();
  }

  #task(): void {
    const scheduledEventId = this.events.length;
    const startedEventId = this.add('WORKFLOW_TASK_STARTED', { scheduledEventId });
    const completed = this.add('WORKFLOW_TASK_COMPLETED', { scheduledEventId, startedEventId });
    this.#decide(completed);
  }

  /** Goes through the script with what the history has, as a worker does, and asks for what comes next. */
  #decide(workflowTaskCompletedEventId: number): void {
    const scheduled = this.events.filter((event) => event.activityTaskScheduledEventAttributes);
    const results: unknown[] = [];
    for (const step of this.start.steps) {
      if ('hear' in step) {
        if (this.heard().length < step.hear) return;
      } else if ('fail' in step) {
        const failure = failureOf(ApplicationFailure.nonRetryable(step.fail, 'Scripted'));
        return this.#fail(this.#hinted(failure, workflowTaskCompletedEventId), workflowTaskCompletedEventId);
      } else if ('again' in step) {
        const newExecutionRunId = this.#around.goOn(this, step.again);
        const type = 'WORKFLOW_EXECUTION_CONTINUED_AS_NEW';
        return this.close('continuedAsNew', type, { newExecutionRunId, workflowTaskCompletedEventId });
      } else {
        const asked = scheduled.shift();
        if (!asked) return this.#schedule(step.call, workflowTaskCompletedEventId);
        const outcome = this.#outcomeOf(Number(asked.eventId));
        if (outcome === undefined) return;
        if ('failure' in outcome) return this.#failBy(asked, outcome.failure, workflowTaskCompletedEventId);
        results.push(outcome.result);
      }
    }
    const told = { results, heard: this.heard() };
    this.close('completed', 'WORKFLOW_EXECUTION_COMPLETED', {
      result: encoded([told]),
      workflowTaskCompletedEventId,
    });
  }

  #schedule(activityType: string, workflowTaskCompletedEventId: number): void {
    const eventId = this.add('ACTIVITY_TASK_SCHEDULED', {
      activityId: String(this.events.length),
      activityType: { name: activityType },
      input: encoded([this.start.workflowId]),
      workflowTaskCompletedEventId,
    });
    this.#attempt(eventId, activityType, 1);
  }

  /** As on a server: an attempt that fails and is tried again leaves no event. */
  #attempt(scheduledEventId: number, activityType: string, attempt: number): void {
    this.pending = undefined;
    try {
      const result = this.#around.activities[activityType]?.(this.start.workflowId, this.start.args);
      const startedEventId = this.add('ACTIVITY_TASK_STARTED', { scheduledEventId, attempt });
      this.add('ACTIVITY_TASK_COMPLETED', { scheduledEventId, startedEventId, result: encoded([result]) });
    } catch (error) {
      if (!(error instanceof ApplicationFailure && error.nonRetryable)) {
        this.pending = {
          activityType,
          state: 'scheduled',
          attempt: attempt + 1,
          nextAttemptAt: Date.now() + 3_600_000,
          lastFailure: (error as Error).message,
        };
        return;
      }
      const startedEventId = this.add('ACTIVITY_TASK_STARTED', { scheduledEventId, attempt });
      this.add('ACTIVITY_TASK_FAILED', { scheduledEventId, startedEventId, failure: failureOf(error) });
    }
    this.add('WORKFLOW_TASK_SCHEDULED', { taskQueue: { name: this.start.taskQueue } });
  }

  #outcomeOf(scheduledEventId: number): { result: unknown } | { failure: Failure } | undefined {
    for (const event of this.events) {
      const completed = event.activityTaskCompletedEventAttributes;
      if (completed && Number(completed.scheduledEventId) === scheduledEventId)
        return { result: decoded(completed.result?.payloads)[0] };
      const failed = event.activityTaskFailedEventAttributes;
      if (failed?.failure && Number(failed.scheduledEventId) === scheduledEventId)
        return { failure: failed.failure };
    }
    return undefined;
  }

  /** Our own workflows fail with the handler's words, the user's with an ActivityFailure around them. */
  #failBy(asked: Event, cause: Failure, task: number): void {
    const { activityId, activityType, workflowTaskCompletedEventId } =
      asked.activityTaskScheduledEventAttributes!;
    const outer: Failure = {
      message: 'Activity task failed',
      activityFailureInfo: { scheduledEventId: asked.eventId, activityId, activityType },
      cause,
    };
    const own = this.start.workflowType.startsWith('ktb');
    const failure = own
      ? { message: cause.message, applicationFailureInfo: cause.applicationFailureInfo, cause: outer }
      : this.#hinted(outer, Number(workflowTaskCompletedEventId));
    this.#fail(failure, task);
  }

  #hinted(failure: Failure, event: number): Failure {
    if (!this.start.hinted) return failure;
    return { ...failure, message: `${failure.message} (replay: Reset to event ${event})` };
  }

  #fail(failure: Failure, workflowTaskCompletedEventId: number): void {
    this.close('failed', 'WORKFLOW_EXECUTION_FAILED', { failure, workflowTaskCompletedEventId });
  }

  heard(): readonly unknown[] {
    return this.events
      .map((event) => event.workflowExecutionSignaledEventAttributes)
      .filter((one) => one?.signalName === TELL)
      .map((one) => decoded(one?.input?.payloads)[0]);
  }
}

export function decoded(payloads: api.api.common.v1.IPayload[] | null | undefined): readonly unknown[] {
  return arrayFromPayloads(defaultPayloadConverter, payloads);
}

function failureOf(error: Error): Failure {
  return defaultFailureConverter.errorToFailure(error, defaultPayloadConverter);
}
