import type { ActivateInput, ConcludeActivationInput } from '@temporalio/workflow';

export type Job = NonNullable<ActivateInput['activation']['jobs']>[number];
export type Command = ConcludeActivationInput['commands'][number];

/** What waits longer than this is no work. */
const LONG_WAIT_MS = 10_000;

/** `PARENT_CLOSE_POLICY_ABANDON`: nobody waits for such a child. */
const ABANDON = 2;

/**
 * What a run has under way, read from the commands that it gives and the jobs that it gets. Both are the same whenever a
 * history is replayed, and reading them adds nothing: no command, and no turn of a promise, that could reorder others.
 */
export class UnderWay {
  readonly #activities = new Set<number>();
  readonly #longTimers = new Set<number>();
  /** Asked for, and not there yet: that is soon over. */
  readonly #startingChildren = new Set<number>();
  readonly #children = new Set<number>();

  got(job: Job): void {
    if (job.resolveActivity) this.#activities.delete(job.resolveActivity.seq ?? 0);
    else if (job.fireTimer) this.#longTimers.delete(job.fireTimer.seq ?? 0);
    else if (job.resolveChildWorkflowExecution)
      this.#children.delete(job.resolveChildWorkflowExecution.seq ?? 0);
    else if (job.resolveChildWorkflowExecutionStart) {
      const { seq, succeeded } = job.resolveChildWorkflowExecutionStart;
      if (this.#startingChildren.delete(seq ?? 0) && succeeded) this.#children.add(seq ?? 0);
    }
  }

  gave(command: Command): void {
    const { scheduleActivity, scheduleLocalActivity, startTimer, startChildWorkflowExecution } = command;
    const activity = scheduleActivity ?? scheduleLocalActivity;
    if (activity) this.#activities.add(activity.seq ?? 0);
    else if (startTimer) {
      const { seconds = 0, nanos } = startTimer.startToFireTimeout ?? {};
      if (Number(seconds) * 1000 + (nanos ?? 0) / 1e6 > LONG_WAIT_MS)
        this.#longTimers.add(startTimer.seq ?? 0);
    } else if (command.cancelTimer) this.#longTimers.delete(command.cancelTimer.seq ?? 0);
    else if (startChildWorkflowExecution && Number(startChildWorkflowExecution.parentClosePolicy) !== ABANDON)
      this.#startingChildren.add(startChildWorkflowExecution.seq ?? 0);
  }

  /**
   * Whether all there is to wait for is long: a timer, or a child's result, whose length nobody knows. A long timer beside
   * an activity is most often its time-out (`CancellationScope.withTimeout`), and no wait.
   */
  get waitsLong(): boolean {
    return this.#activities.size === 0 && this.#longTimers.size + this.#children.size > 0;
  }
}

/** Whether it ends the run: completed, failed, cancelled or continued as new. */
export function endsRun(command: Command): boolean {
  return Boolean(
    command.completeWorkflowExecution ||
    command.failWorkflowExecution ||
    command.cancelWorkflowExecution ||
    command.continueAsNewWorkflowExecution,
  );
}
