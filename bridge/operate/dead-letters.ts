import type { ResolvedConfig } from '../config/resolved.js';
import { taskQueuesOf } from '../config/task-queues.js';
import { configuredLink } from '../observe/ui-link.js';
import type { ListedExecution, OperatorPort } from '../temporal/operator-port.js';
import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import { concurrently } from './concurrently.js';
import { groupOfReason, reasonOfFailure } from './failure-reason.js';
import { notedRecordOf } from './record-memo.js';
import { oneOf, quoted } from './visibility-query.js';

/** A record whose handling ended badly for good, and that nobody has replayed since. */
export interface DeadLetter {
  readonly workflowId: string;
  readonly runId: string;
  /** The idempotency key; null where coordinates stand in for it. */
  readonly key: string | null;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly route: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly status: 'failed' | 'timedOut' | 'terminated';
  /** Epoch milliseconds. */
  readonly failedAt: number;
  readonly reason: string;
  readonly errorType: string;
  /** The event to reset to, where the failure names one. */
  readonly resetEvent: number | undefined;
  /** Into Temporal's UI, where `uiUrl` is configured. */
  readonly link: string | undefined;
}

export interface DeadLetterFilter {
  readonly route?: string;
  readonly workflowType?: string;
  /** Part of the reason, of the error's type, or a group's name; case doesn't matter. */
  readonly reason?: string;
  /** Epoch milliseconds: ended at or after. */
  readonly since?: number;
  /** Epoch milliseconds: ended before. */
  readonly until?: number;
  /** A visibility query that they must match as well. */
  readonly query?: string;
  /** At most so many. @default all */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/** How many there are of one reason. */
export interface ReasonGroup {
  readonly reason: string;
  readonly count: number;
  readonly routes: readonly string[];
  /** Epoch milliseconds. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** One of them, to look at. */
  readonly example: DeadLetter;
}

const DEAD = new Set(['failed', 'timedOut', 'terminated']);

/** Whose executions are looked for. */
export type OperateScope = Pick<ResolvedConfig, 'name' | 'temporal' | 'routes' | 'uiUrl'>;

function deadLetterQuery(scope: OperateScope, filter: DeadLetterFilter): string {
  return [
    oneOf('ExecutionStatus', ['Failed', 'TimedOut', 'Terminated']),
    oneOf('TaskQueue', taskQueuesOf(scope)),
    filter.workflowType === undefined
      ? `WorkflowType != ${quoted(QUARANTINE_WORKFLOW)}`
      : `WorkflowType = ${quoted(filter.workflowType)}`,
    ...(filter.since === undefined ? [] : [`CloseTime >= ${quoted(new Date(filter.since).toISOString())}`]),
    ...(filter.until === undefined ? [] : [`CloseTime < ${quoted(new Date(filter.until).toISOString())}`]),
    ...(filter.query === undefined ? [] : [`(${filter.query})`]),
  ].join(' AND ');
}

/** Dead letters, newest first. @throws TemporalFault */
export async function* deadLetters(
  port: OperatorPort,
  scope: OperateScope,
  filter: DeadLetterFilter = {},
): AsyncIterable<DeadLetter> {
  const { signal, limit = Infinity } = filter;
  const listed = port.list(deadLetterQuery(scope, filter), signal);
  let left = limit;
  if (left <= 0) return;
  for await (const letter of concurrently(
    ours(listed, scope, filter),
    (one) => deadLetterOf(port, scope, one),
    signal,
  )) {
    if (!letter || !matches(letter, filter)) continue;
    yield letter;
    if (--left <= 0) return;
  }
}

async function* ours(
  listed: AsyncIterable<ListedExecution>,
  { name }: OperateScope,
  { route }: DeadLetterFilter,
): AsyncIterable<ListedExecution> {
  for await (const one of listed) {
    // There is no search attribute for the subscription; the memo comes with the list.
    const noted = notedRecordOf(one.memo);
    if (noted.subscription === name && (route === undefined || noted.route === route)) yield one;
  }
}

/** Undefined where it is none any more: another run has come after this one, or the listing was late. */
export async function deadLetterOf(
  port: OperatorPort,
  scope: OperateScope,
  { workflowId, runId }: Pick<ListedExecution, 'workflowId' | 'runId'>,
): Promise<DeadLetter | undefined> {
  const current = await port.inspect(workflowId);
  if (!current || current.runId !== runId || !DEAD.has(current.status)) return undefined;
  const closing = await port.closing(workflowId, runId);
  if (closing.kind !== 'failed') return undefined;
  const { message, type, resetEvent } = reasonOfFailure(closing.error);
  const { key, route, topic, partition, offset } = notedRecordOf(current.memo);
  return {
    workflowId,
    runId,
    key,
    workflowType: current.workflowType,
    taskQueue: current.taskQueue,
    route,
    topic,
    partition,
    offset,
    status: current.status as DeadLetter['status'],
    failedAt: current.closedAt ?? current.startedAt,
    reason: message,
    errorType: type,
    resetEvent,
    link: configuredLink(scope, workflowId, runId),
  };
}

function matches(letter: DeadLetter, { reason }: DeadLetterFilter): boolean {
  if (reason === undefined) return true;
  const wanted = reason.toLowerCase();
  const named = { message: letter.reason, type: letter.errorType };
  return [letter.reason, letter.errorType, groupOfReason(named)].some((text) =>
    text.toLowerCase().includes(wanted),
  );
}

/** Dead letters by reason, the most frequent first. */
export async function byReason(letters: AsyncIterable<DeadLetter>): Promise<readonly ReasonGroup[]> {
  const groups = new Map<string, DeadLetter[]>();
  for await (const letter of letters) {
    const name = groupOfReason({ message: letter.reason, type: letter.errorType });
    const group = groups.get(name);
    if (group) group.push(letter);
    else groups.set(name, [letter]);
  }
  return [...groups]
    .map(([reason, all]) => ({
      reason,
      count: all.length,
      routes: [...new Set(all.map(({ route }) => route))],
      firstAt: Math.min(...all.map(({ failedAt }) => failedAt)),
      lastAt: Math.max(...all.map(({ failedAt }) => failedAt)),
      example: all[0]!,
    }))
    .toSorted((a, b) => b.count - a.count);
}
