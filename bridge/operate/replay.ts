/**
 * Replaying dead letters: which, from which event, whether today's code still fits, and then the Reset of each. What is
 * replayed goes on in the workers; the wait for their end only watches.
 */
import type { OperatorPort } from '../temporal/operator-port.js';
import { delay } from '../timing.js';
import { concurrently } from './concurrently.js';
import type { DeadLetter } from './dead-letters.js';
import { reasonOfFailure } from './failure-reason.js';
import type {
  ReplayOptions,
  ReplayEntry,
  ReplayPlan,
  ReplayReport,
  ReplayedRecord,
} from './replay-report.js';
import { runResets, type ResetsRun } from './replay-run.js';
import type { ReplayCase, ReplayVerdict } from './replay-check.js';
import { prefixBefore, resetPointOf } from './reset-point.js';

export interface ReplayTools {
  readonly port: OperatorPort;
  /** Replays prefixes with the user's bundle. */
  readonly check: (cases: AsyncIterable<ReplayCase>) => AsyncIterable<ReplayVerdict>;
  /** The task queue whose workflows the bundle has. */
  readonly taskQueue: string;
}

/** @throws TemporalFault, and what the bundler says */
export async function replay(
  tools: ReplayTools,
  letters: AsyncIterable<DeadLetter>,
  notFound: readonly string[],
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const plan = await planReplay(tools, letters, options);
  const nothing = { ...plan, notFound, jobs: [], replayed: [] };
  if (options.dryRun || plan.ready === 0) return { ...nothing, confirmed: false };
  // What was looked at so far is no plan.
  if (options.signal?.aborted) return { ...nothing, confirmed: false };
  if (options.confirm && !(await options.confirm(plan))) return { ...nothing, confirmed: false };
  const ready = plan.entries.filter(({ readiness }) => readiness === 'ready');
  const { jobs, refused, begun } = await runResets(tools.port, ready, options);
  const replayed = await outcomesOf(tools.port, ready, { refused, begun }, options);
  return { ...plan, notFound, confirmed: true, jobs, replayed };
}

async function planReplay(
  { port, check, taskQueue }: ReplayTools,
  letters: AsyncIterable<DeadLetter>,
  options: ReplayOptions,
): Promise<ReplayPlan> {
  const { signal, from = 'failing-step' } = options;
  const entries: ReplayEntry[] = [];
  const toCheck: { readonly index: number; readonly eventId: number }[] = [];
  let count = 0;
  const planned = concurrently(
    letters,
    async (letter) => {
      const own = isOwn(letter.workflowType);
      const history = await port.events(letter.workflowId, letter.runId);
      const point = resetPointOf(history, own ? 'start' : from, letter.resetEvent);
      return { letter, own, point };
    },
    signal,
  );
  for await (const { letter, own, point } of planned) {
    options.onProgress?.({ step: 'looking', count: ++count });
    // With nothing before the event any code fits, and the workflows of another queue are not in our bundle.
    const checkable = !own && letter.taskQueue === taskQueue && options.check !== false;
    if (checkable && point && point.tasksBefore > 0)
      toCheck.push({ index: entries.length, eventId: point.eventId });
    entries.push(
      point
        ? { letter, eventId: point.eventId, readiness: 'ready', message: undefined }
        : await notPickedUp(port, letter),
    );
  }
  const byId = new Map(toCheck.map((one) => [entries[one.index]!.letter.workflowId, one.index]));
  let checked = 0;
  if (toCheck.length > 0) {
    for await (const { workflowId, mismatch } of check(casesOf(port, entries, toCheck))) {
      options.onProgress?.({ step: 'checking', count: ++checked });
      const index = byId.get(workflowId);
      if (mismatch === undefined || index === undefined) continue;
      entries[index] = {
        ...entries[index]!,
        readiness: 'changed',
        message: `The workflow's code has changed and no longer fits its history (${mismatch}): replay it from the start (\`--from start\`), or mend the code by \`patched()\``,
      };
    }
  }
  return { entries, ready: entries.filter(({ readiness }) => readiness === 'ready').length };
}

/** Histories one at a time: thousands of them at once would fill the memory. */
async function* casesOf(
  port: OperatorPort,
  entries: readonly ReplayEntry[],
  toCheck: readonly { readonly index: number; readonly eventId: number }[],
): AsyncIterable<ReplayCase> {
  for (const { index, eventId } of toCheck) {
    const { workflowId, runId } = entries[index]!.letter;
    yield { workflowId, history: prefixBefore(await port.events(workflowId, runId), eventId) };
  }
}

async function notPickedUp(port: OperatorPort, letter: DeadLetter): Promise<ReplayEntry> {
  const pollers = await port.pollers(letter.taskQueue);
  return {
    letter,
    eventId: undefined,
    readiness: 'not-picked-up',
    message:
      `No worker has picked it up yet, so the server can't reset it; task queue \`${letter.taskQueue}\` is polled by ` +
      `${pollers.length === 0 ? 'nobody' : pollers.join(', ')}. Start a worker, and send the record again under another key`,
  };
}

/** Our own workflows replay at a Reset to any event, by whatever version. */
function isOwn(workflowType: string): boolean {
  return workflowType.startsWith('ktb');
}

/** What became of them, as far as it is known by the end of the wait. */
async function outcomesOf(
  port: OperatorPort,
  ready: readonly ReplayEntry[],
  run: Pick<ResetsRun, 'refused' | 'begun'>,
  { waitMs = 0, signal, onProgress }: ReplayOptions,
): Promise<readonly ReplayedRecord[]> {
  const deadline = Date.now() + waitMs;
  const last = new Map<string, ReplayedRecord>();
  for (;;) {
    const open = ready.filter(
      ({ letter }) => (last.get(letter.workflowId)?.state ?? 'running') === 'running',
    );
    let running = 0;
    for await (const outcome of concurrently(open, ({ letter }) => outcomeOf(port, letter, run))) {
      last.set(outcome.workflowId, outcome);
      if (outcome.state === 'running') running++;
    }
    onProgress?.({ step: 'waiting', closed: ready.length - running, total: ready.length });
    if (running === 0 || Date.now() >= deadline || signal?.aborted) break;
    await delay(1_000, signal);
  }
  return ready.map(({ letter }) => last.get(letter.workflowId)!);
}

async function outcomeOf(
  port: OperatorPort,
  { workflowId, runId }: DeadLetter,
  { refused, begun }: Pick<ResetsRun, 'refused' | 'begun'>,
): Promise<ReplayedRecord> {
  const why = refused.get(workflowId);
  if (why !== undefined) return { workflowId, runId: undefined, state: 'not-reset', reason: why };
  const current = await port.inspect(workflowId);
  if (!current || current.runId === runId) {
    const job = begun.get(workflowId);
    return job === undefined
      ? { workflowId, runId: undefined, state: 'not-reset', reason: 'The server made no new run of it' }
      : {
          workflowId,
          runId: undefined,
          state: 'running',
          reason: `Job ${job} goes on with it on the server`,
        };
  }
  const closing = await port.closing(workflowId, current.runId);
  if (closing.kind === 'open')
    return { workflowId, runId: current.runId, state: 'running', reason: undefined };
  return closing.kind === 'completed'
    ? { workflowId, runId: current.runId, state: 'completed', reason: undefined }
    : {
        workflowId,
        runId: current.runId,
        state: 'failed',
        reason: reasonOfFailure(closing.error).message,
      };
}
