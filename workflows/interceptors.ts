import {
  ActivityFailure,
  ChildWorkflowFailure,
  TemporalFailure,
  isCancellation,
  workflowInfo,
  type ActivityInput,
  type LocalActivityInput,
  type Next,
  type StartChildWorkflowExecutionInput,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { CapacityTeller } from './capacity-teller.js';
import { RunPosition } from './run-position.js';

/**
 * In users' workflows: a failure's message ends with `(replay: Reset to event N)`, where N is the workflow task that
 * asked for the failing step: a Reset there runs that step again, and none that was finished before it. It adds no
 * command, so it can't break workflows that already run.
 */
class ReplayHint implements WorkflowInboundCallsInterceptor, WorkflowOutboundCallsInterceptor {
  /** The event to reset to, by the failure that came out of a step. */
  readonly #eventOf = new WeakMap<object, number>();

  async execute(
    input: WorkflowExecuteInput,
    next: Next<WorkflowInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    try {
      return await next(input);
    } catch (error) {
      if (error instanceof TemporalFailure && !isCancellation(error)) {
        appendHint(error, `(replay: Reset to event ${this.#eventFor(error)})`);
      }
      throw error;
    }
  }

  scheduleActivity(
    input: ActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleActivity'>,
  ): Promise<unknown> {
    return this.#noting(next(input));
  }

  scheduleLocalActivity(
    input: LocalActivityInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'scheduleLocalActivity'>,
  ): Promise<unknown> {
    return this.#noting(next(input));
  }

  async startChildWorkflowExecution(
    input: StartChildWorkflowExecutionInput,
    next: Next<WorkflowOutboundCallsInterceptor, 'startChildWorkflowExecution'>,
  ): Promise<[Promise<string>, Promise<unknown>]> {
    const event = taskCompletedEvent();
    const [started, completed] = await this.#noting(next(input));
    const noted = this.#noting(completed, event);
    noted.catch(() => undefined); // the caller holds the same rejection
    return [started, noted];
  }

  async #noting<T>(step: Promise<T>, event: number = taskCompletedEvent()): Promise<T> {
    try {
      return await step;
    } catch (error) {
      if (error instanceof Error) this.#eventOf.set(error, event);
      throw error;
    }
  }

  #eventFor(error: Error): number {
    for (let current: unknown = error; current instanceof Error; current = current.cause) {
      const event = this.#eventOf.get(current);
      if (event !== undefined) return event;
      if (current instanceof ActivityFailure || current instanceof ChildWorkflowFailure) break;
    }
    return taskCompletedEvent();
  }
}

/**
 * A failure that came over the wire is sent on as it came, so its message stands in two places. One that only says that
 * something inside of it failed gets that reason too: the UI shows the outermost message.
 */
function appendHint(error: TemporalFailure, hint: string): void {
  if (error.message.includes('(replay: Reset to event ')) return;
  const inside =
    error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : null;
  error.message = [error.message, inside?.message].filter(Boolean).join(': ').concat(` ${hint}`).trim();
  if (error.failure) error.failure = { ...error.failure, message: error.message };
}

/** The event that ends the current workflow task: history's length is its WorkflowTaskStarted, the next is Completed. */
function taskCompletedEvent(): number {
  return workflowInfo().historyLength + 1;
}

export const interceptors = (): WorkflowInterceptors => {
  const hint = new ReplayHint();
  const capacity = new CapacityTeller({ handles: true });
  const position = new RunPosition();
  return { inbound: [hint, position], outbound: [hint, capacity, position], internals: [capacity] };
};
