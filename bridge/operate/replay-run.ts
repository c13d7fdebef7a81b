import { randomUUID } from 'node:crypto';
import { userInfo, hostname } from 'node:os';
import { messageOf } from '../errors.js';
import { TemporalFault } from '../temporal/temporal-port.js';
import type { OperatorPort, ResetJob } from '../temporal/operator-port.js';
import { delay } from '../timing.js';
import { paced } from './paced.js';
import { concurrently } from './concurrently.js';
import type { ReplayEntry, ReplayOptions } from './replay-report.js';

/** From so many on, and without a rate, a job on the server does it: it goes on when this process ends. */
const JOB_FROM = 100;
/** So many executions a job may have (`frontend.MaxExecutionCountBatchOperationPerNamespace`). */
const JOB_AT_MOST = 1_000;
/** Too few for a job of their own: jobs run one at a time in a namespace. */
const JOB_AT_LEAST = 10;

export interface ResetsRun {
  readonly jobs: readonly string[];
  /** By workflow ID: why the server did not reset it. */
  readonly refused: ReadonlyMap<string, string>;
  /** By workflow ID: the job that had not ended when we stopped watching, and may still reset it. */
  readonly begun: ReadonlyMap<string, string>;
}

/** Resets all of them, by jobs on the server where there are many and no rate is asked for. @throws TemporalFault where Temporal is away */
export async function runResets(
  port: OperatorPort,
  ready: readonly ReplayEntry[],
  options: ReplayOptions,
): Promise<ResetsRun> {
  const why = options.why ?? `ktb replay by ${whoAmI()}`;
  const refused = new Map<string, string>();
  const begun = new Map<string, string>();
  const jobs: string[] = [];
  const { single, groups } = split(ready, options.perSecond);
  let done = 0;
  for (const group of groups) {
    if (options.signal?.aborted) break;
    const job: ResetJob = {
      jobId: `ktb-replay-${randomUUID()}`,
      executions: group.map(({ letter: { workflowId, runId } }) => ({ workflowId, runId })),
      eventId: group[0]!.eventId!,
      reason: why,
      reapply: options.reapply ?? 'all',
    };
    await startJob(port, job, options.signal);
    jobs.push(job.jobId);
    const ended = await watchJob(port, job.jobId, options.signal, (inJob) =>
      options.onProgress?.({
        step: 'resetting',
        done: done + inJob,
        total: ready.length,
        jobId: job.jobId,
      }),
    );
    if (!ended) for (const { workflowId } of job.executions) begun.set(workflowId, job.jobId);
    done += group.length;
  }
  const pace = paced(options.perSecond, options.signal);
  const resets = concurrently(
    single,
    async ({ letter, eventId }) => {
      await pace();
      // An interruption ends the waits for a turn all at once: what has not begun is left as it is.
      if (options.signal?.aborted) return;
      try {
        await port.reset({
          workflowId: letter.workflowId,
          runId: letter.runId,
          eventId: eventId!,
          reason: why,
          // The same replay again makes no second run.
          requestId: `ktb-replay:${letter.runId}:${eventId}`,
          reapply: options.reapply ?? 'all',
        });
      } catch (error) {
        if (error instanceof TemporalFault && error.status === 'UNAVAILABLE') throw error;
        refused.set(letter.workflowId, messageOf(error));
      }
    },
    options.signal,
  );
  for await (const _ of resets)
    options.onProgress?.({ step: 'resetting', done: ++done, total: ready.length, jobId: undefined });
  return { jobs, refused, begun };
}

/** Who stands in the history, where nobody was named. */
export function whoAmI(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return hostname(); // a container's user may have no name
  }
}

/**
 * A job resets all of its executions to one event, and keeps no rate of ours: a server 1.32.1 takes
 * `max_operations_per_second` and reads it nowhere (asked for 20, it did 37; its own bound is `worker.batcherRPS`, 50).
 */
function split(
  ready: readonly ReplayEntry[],
  perSecond: number | undefined,
): {
  readonly single: readonly ReplayEntry[];
  readonly groups: readonly (readonly ReplayEntry[])[];
} {
  if (ready.length < JOB_FROM || perSecond !== undefined) return { single: ready, groups: [] };
  const byEvent = groupedBy(ready, ({ eventId }) => eventId);
  const single: ReplayEntry[] = [];
  const groups: ReplayEntry[][] = [];
  for (const entries of byEvent.values()) {
    if (entries.length < JOB_AT_LEAST) single.push(...entries);
    else
      for (let from = 0; from < entries.length; from += JOB_AT_MOST)
        groups.push(entries.slice(from, from + JOB_AT_MOST));
  }
  return { single, groups };
}

/** Node 20 has no Map.groupBy. */
function groupedBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** The SDK tries a refused call again by itself, until the call's time is over. */
const BUSY: ReadonlySet<string> = new Set(['RESOURCE_EXHAUSTED', 'DEADLINE_EXCEEDED']);

/** A namespace runs one job at a time (`frontend.MaxConcurrentBatchOperationPerNamespace`): the next one waits. */
async function startJob(port: OperatorPort, job: ResetJob, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    try {
      await port.startResetJob(job);
      return;
    } catch (error) {
      if (!(error instanceof TemporalFault) || !BUSY.has(error.status ?? '') || signal?.aborted) throw error;
      // An answer may have been lost: a second job would reset all of them twice.
      const begun = await port.job(job.jobId).catch(() => undefined);
      if (begun) return;
      await delay(1_000, signal);
    }
  }
}

/** @returns whether it has ended */
async function watchJob(
  port: OperatorPort,
  jobId: string,
  signal: AbortSignal | undefined,
  onProgress: (done: number) => void,
): Promise<boolean> {
  for (;;) {
    const { state, done, failed } = await port.job(jobId);
    onProgress(done + failed);
    if (state !== 'running') return true;
    if (signal?.aborted) return false;
    await delay(500, signal);
  }
}
