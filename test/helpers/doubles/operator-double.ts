import {
  CancelledFailure,
  defaultFailureConverter,
  defaultPayloadConverter,
  TerminatedFailure,
  TimeoutFailure,
  TimeoutType,
} from '@temporalio/common';
import type {
  Closing,
  History,
  InspectedExecution,
  JobState,
  ListedExecution,
  OperatorPort,
  ResetJob,
  ResetRequest,
} from '../../../bridge/temporal/operator-port.js';
import { TemporalFault } from '../../../bridge/temporal/temporal-port.js';
import { decoded } from './scripted-run.js';
import { listed, ScriptedNamespace } from './scripted-namespace.js';

export type OperatorCall =
  'list' | 'inspect' | 'closing' | 'events' | 'reset' | 'startAgain' | 'startResetJob' | 'job' | 'pollers';

interface Failure {
  left: number;
  readonly call: OperatorCall;
  readonly fault: () => Error;
  readonly matching: (id: string) => boolean;
}

interface Job {
  readonly request: ResetJob;
  done: number;
  failed: number;
}

/** A Temporal namespace in memory, with the histories that a server would have written, as operators see it. */
export class OperatorDouble extends ScriptedNamespace implements OperatorPort {
  /** Every call that was made: the failed ones too. */
  readonly calls: { readonly call: OperatorCall; readonly id: string; readonly at: number }[] = [];
  readonly jobs = new Map<string, Job>();
  /** How fast the server goes through a job. */
  jobsPerSecond = 1000;
  readonly resets: (ResetRequest & { readonly newRunId: string })[] = [];
  #failures: Failure[] = [];

  /** The next calls fail, and have no effect. */
  fail(call: OperatorCall, options: Partial<Omit<Failure, 'call'>> & { readonly times?: number } = {}): void {
    const { times = 1, fault = away, matching = () => true } = options;
    this.#failures.push({ left: times, call, fault, matching });
  }

  heal(): void {
    this.#failures = [];
  }

  // What operators do.

  async *list(query: string, signal?: AbortSignal): AsyncIterable<ListedExecution> {
    this.#enter('list', query);
    for (const { searchAttributes: _, ...one } of this.visibility.list(query)) {
      if (signal?.aborted) return;
      yield one;
    }
  }

  async inspect(workflowId: string, runId?: string): Promise<InspectedExecution | undefined> {
    this.#enter('inspect', workflowId);
    const run = this.find(workflowId, runId);
    if (!run) return undefined;
    return {
      ...listed(run),
      firstRunId: run.firstRunId,
      historyLength: run.events.length,
      pendingActivities: run.pending ? [run.pending] : [],
    };
  }

  async closing(workflowId: string, runId: string): Promise<Closing> {
    this.#enter('closing', workflowId);
    const run = this.find(workflowId, runId);
    const last = run?.events.at(-1);
    switch (run?.status) {
      case 'completed': {
        const result = last?.workflowExecutionCompletedEventAttributes?.result?.payloads;
        return { kind: 'completed', result: decoded(result)[0] };
      }
      case 'continuedAsNew':
        return { kind: 'completed', result: undefined };
      case 'failed': {
        const failure = last!.workflowExecutionFailedEventAttributes!.failure!;
        return {
          kind: 'failed',
          error: defaultFailureConverter.failureToError(failure, defaultPayloadConverter),
        };
      }
      case 'terminated':
        return {
          kind: 'failed',
          error: new TerminatedFailure(last?.workflowExecutionTerminatedEventAttributes?.reason ?? ''),
        };
      case 'timedOut':
        return {
          kind: 'failed',
          error: new TimeoutFailure('Workflow execution timed out', undefined, TimeoutType.START_TO_CLOSE),
        };
      case 'canceled':
        return { kind: 'failed', error: new CancelledFailure('Workflow canceled') };
      default:
        return { kind: 'open' };
    }
  }

  async events(workflowId: string, runId: string): Promise<History> {
    this.#enter('events', workflowId);
    return { events: [...this.get(workflowId, runId).events] };
  }

  async input(workflowId: string, runId: string): Promise<readonly unknown[]> {
    const [started] = this.get(workflowId, runId).events;
    return decoded(started?.workflowExecutionStartedEventAttributes?.input?.payloads);
  }

  async reset(request: ResetRequest): Promise<string> {
    this.#enter('reset', request.workflowId);
    const current = this.find(request.workflowId, undefined);
    if (current && current.runId !== request.runId) return current.runId;
    const newRunId = this.resetRun(request);
    this.resets.push({ ...request, newRunId });
    return newRunId;
  }

  async startAgain(workflowId: string, runId: string, args: readonly unknown[]): Promise<string> {
    this.#enter('startAgain', workflowId);
    return this.beginAgain(this.get(workflowId, runId), args);
  }

  async startResetJob(request: ResetJob): Promise<void> {
    this.#enter('startResetJob', request.jobId);
    for (const job of this.jobs.values())
      if (running(job))
        throw new TemporalFault('systemic', 'Max concurrent batch operations is reached', {
          status: 'RESOURCE_EXHAUSTED',
        });
    const job: Job = { request, done: 0, failed: 0 };
    this.jobs.set(request.jobId, job);
    const next = (): void => {
      const target = request.executions[job.done + job.failed];
      if (!target) return;
      try {
        this.resetRun({ ...request, ...target });
        job.done++;
      } catch {
        job.failed++;
      }
      // As the server: the job's own rate is read nowhere.
      this.after(1000 / this.jobsPerSecond, next);
    };
    this.after(1, next);
  }

  async job(jobId: string): Promise<JobState> {
    this.#enter('job', jobId);
    const job = this.jobs.get(jobId);
    if (!job) throw new TemporalFault('systemic', 'batch operation not found', { status: 'NOT_FOUND' });
    const { done, failed } = job;
    const total = job.request.executions.length;
    return { state: running(job) ? 'running' : 'completed', total, done, failed };
  }

  async pollers(taskQueue: string): Promise<readonly string[]> {
    this.#enter('pollers', taskQueue);
    const worker = this.workers.get(taskQueue);
    return worker === undefined ? [] : [worker];
  }

  #enter(call: OperatorCall, id: string): void {
    this.calls.push({ call, id, at: Date.now() });
    const failure = this.#failures.find((one) => one.left > 0 && one.call === call && one.matching(id));
    if (!failure) return;
    failure.left--;
    throw failure.fault();
  }
}

const away = () => new TemporalFault('systemic', 'Temporal is away', { status: 'UNAVAILABLE' });

function running({ request, done, failed }: Job): boolean {
  return done + failed < request.executions.length;
}
