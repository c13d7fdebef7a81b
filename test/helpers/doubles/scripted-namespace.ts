import { randomUUID } from 'node:crypto';
import type { ListedExecution, Reapply, ResetRequest } from '../../../bridge/temporal/operator-port.js';
import { TemporalFault } from '../../../bridge/temporal/temporal-port.js';
import { SCRIPTED, TELL, type Activities, type Step } from '../scripted/steps.js';
import { ScriptedRun, type RunStart } from './scripted-run.js';
import { VisibilityDouble } from './visibility-double.js';

export interface StartFields extends Partial<RunStart> {
  readonly workflowRunTimeoutMs?: number;
}

/** Which resets keep the signals that came after their event. */
const KEEPS_SIGNALS: ReadonlySet<Reapply> = new Set(['all', 'signals']);

/** A Temporal namespace in memory: scripted executions, the workers that run them, and a list that lags behind. */
export class ScriptedNamespace {
  /** What workers on every polled task queue can do: tests mend them meanwhile. */
  readonly activities: Record<string, Activities[string]> = {};
  /** Task queues that are polled, and by whom. */
  readonly workers = new Map<string, string>();
  protected readonly visibility: VisibilityDouble;
  readonly #runs = new Map<string, ScriptedRun>();
  readonly #current = new Map<string, ScriptedRun>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: { readonly visibilityLagMs?: number } = {}) {
    this.visibility = new VisibilityDouble(options.visibilityLagMs ?? 0);
  }

  /** Begins an execution; workers that poll take it on at once. @returns the run's ID */
  start({ workflowRunTimeoutMs, ...fields }: StartFields = {}): string {
    const start: RunStart = {
      workflowId: randomUUID(),
      workflowType: SCRIPTED,
      taskQueue: 'queue',
      memo: {},
      searchAttributes: {},
      hinted: false,
      steps: [],
      args: [fields.steps ?? []],
      ...fields,
    };
    const run = this.#begun(start);
    run.begin();
    if (workflowRunTimeoutMs !== undefined)
      this.after(workflowRunTimeoutMs, () => run.close('timedOut', 'WORKFLOW_EXECUTION_TIMED_OUT'));
    return run.runId;
  }

  terminate(workflowId: string, reason = 'test'): void {
    this.current(workflowId).close('terminated', 'WORKFLOW_EXECUTION_TERMINATED', { reason });
  }

  cancel(workflowId: string): void {
    this.current(workflowId).close('canceled', 'WORKFLOW_EXECUTION_CANCELED');
  }

  /** A signal, of the name that scripts listen to. */
  tell(workflowId: string, what: unknown): void {
    const run = this.current(workflowId);
    run.signal(TELL, [what]);
    run.wake();
  }

  /** A worker begins to poll, and takes what waits. */
  poll(taskQueue: string, identity = 'worker@test'): void {
    this.workers.set(taskQueue, identity);
    for (const run of this.#runs.values()) run.work();
  }

  current(workflowId: string): ScriptedRun {
    const run = this.#current.get(workflowId);
    if (!run) throw new Error(`Expected an execution ${workflowId}, got none`);
    return run;
  }

  protected find(workflowId: string, runId: string | undefined): ScriptedRun | undefined {
    if (runId === undefined) return this.#current.get(workflowId);
    const run = this.#runs.get(runId);
    return run?.start.workflowId === workflowId ? run : undefined;
  }

  protected get(workflowId: string, runId: string): ScriptedRun {
    const run = this.find(workflowId, runId);
    if (!run) throw new TemporalFault('systemic', 'workflow execution not found', { status: 'NOT_FOUND' });
    return run;
  }

  protected resetRun({
    workflowId,
    runId,
    eventId,
    reason,
    reapply,
  }: Omit<ResetRequest, 'requestId'>): string {
    const base = this.get(workflowId, runId);
    const completed = base.events.find(
      ({ eventId: one }) => Number(one) === eventId,
    )?.workflowTaskCompletedEventAttributes;
    if (!completed)
      throw new TemporalFault(
        'rejected',
        'Workflow task finish ID must be > 1 && <= workflow last event ID.',
        {
          status: 'INVALID_ARGUMENT',
        },
      );
    this.current(workflowId).close('terminated', 'WORKFLOW_EXECUTION_TERMINATED', { reason });
    const run = this.#begun(base.start, base.firstRunId);
    run.events.push(...base.events.slice(0, eventId - 1));
    run.add('WORKFLOW_TASK_FAILED', {
      scheduledEventId: completed.scheduledEventId,
      startedEventId: completed.startedEventId,
      cause: 'WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW',
      failure: { message: reason, resetWorkflowFailureInfo: {} },
      baseRunId: runId,
      newRunId: run.runId,
    });
    if (KEEPS_SIGNALS.has(reapply))
      for (const event of base.events.slice(eventId)) {
        const signaled = event.workflowExecutionSignaledEventAttributes;
        if (signaled) run.add('WORKFLOW_EXECUTION_SIGNALED', signaled);
      }
    run.wake();
    return run.runId;
  }

  /** The same execution once more, with other arguments: of a script that it was given, those are the script. */
  protected beginAgain(base: ScriptedRun, args: readonly unknown[]): string {
    const { workflowId, workflowType, steps } = base.start;
    const current = this.current(workflowId);
    if (current.status === 'completed')
      throw new TemporalFault('rejected', `${workflowId} has gone through meanwhile`, {
        status: 'ALREADY_EXISTS',
      });
    current.close('terminated', 'WORKFLOW_EXECUTION_TERMINATED', { reason: 'TerminateIfRunning' });
    const script = workflowType === SCRIPTED ? (args[0] as readonly Step[]) : steps;
    const run = this.#begun({ ...base.start, args, steps: script });
    run.begin();
    return run.runId;
  }

  #begun(start: RunStart, firstRunId?: string): ScriptedRun {
    const run = new ScriptedRun(
      start,
      {
        activities: this.activities,
        polled: (taskQueue) => this.workers.has(taskQueue),
        changed: (changed) =>
          this.visibility.hear({ ...listed(changed), searchAttributes: changed.start.searchAttributes }),
        goOn: (old, steps) => {
          const next = this.#begun({ ...old.start, steps, args: [steps] }, old.firstRunId);
          queueMicrotask(() => next.begin());
          return next.runId;
        },
      },
      undefined,
      firstRunId,
    );
    this.#runs.set(run.runId, run);
    this.#current.set(start.workflowId, run);
    return run;
  }

  protected after(ms: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}

export function listed(run: ScriptedRun): ListedExecution {
  const { workflowId, workflowType, taskQueue, memo } = run.start;
  return {
    workflowId,
    runId: run.runId,
    workflowType,
    taskQueue,
    status: run.status,
    startedAt: run.startedAt,
    closedAt: run.closedAt,
    memo,
  };
}
