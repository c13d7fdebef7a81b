import { taskQueuesOf } from '../config/task-queues.js';
import { BridgeError } from '../errors.js';
import { configuredLink } from '../observe/ui-link.js';
import type { InspectedExecution, ListedExecution, OperatorPort } from '../temporal/operator-port.js';
import {
  QUARANTINE_WORKFLOW,
  type QuarantineInput,
  type QuarantineReason,
  type QuarantineDecision,
} from '../../workflows/contract.js';
import { concurrently } from './concurrently.js';
import type { OperateScope } from './dead-letters.js';
import { reasonOfFailure } from './failure-reason.js';
import { notedRecordOf } from './record-memo.js';
import { whoAmI } from './replay-run.js';
import { oneOf, quoted } from './visibility-query.js';

/** A record that could not be taken, and that waits for somebody. */
export interface QuarantinedRecord {
  readonly workflowId: string;
  readonly runId: string;
  /** Why it was quarantined first: a word of a closed list. */
  readonly cause: QuarantineReason | 'unknown';
  /** Why it stands there now. */
  readonly reason: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** The route that it was meant for, where one was found. */
  readonly route: string;
  /** `waiting`: for a decision. `running`: it is being sent through. `through`: it went, or was dropped. */
  readonly state: 'waiting' | 'running' | 'through';
  /** Epoch milliseconds. */
  readonly since: number;
  readonly link: string | undefined;
}

export interface QuarantineFilter {
  readonly topic?: string;
  readonly route?: string;
  readonly cause?: QuarantineReason;
  /** Epoch milliseconds. */
  readonly since?: number;
  readonly until?: number;
  /** Those that have gone through as well. @default false */
  readonly all?: boolean;
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/** One of them, with all that is kept of the record. */
export interface QuarantinedDetail extends QuarantinedRecord {
  readonly input: QuarantineInput;
  /** What was decided about it. */
  readonly decision: QuarantineDecision | undefined;
}

export type ResolveAction =
  | { readonly action: 'drop' }
  | { readonly action: 'startAs'; readonly key: string }
  | { readonly action: 'replaceValue'; readonly value: Buffer };

export interface ResolutionOptions {
  /** Stands in the history. */
  readonly why: string;
  /** @default user@host */
  readonly who?: string;
}

/** Records in quarantine, newest first. @throws TemporalFault */
export async function* quarantinedRecords(
  port: OperatorPort,
  scope: OperateScope,
  filter: QuarantineFilter = {},
): AsyncIterable<QuarantinedRecord> {
  const { signal, limit = Infinity } = filter;
  const query = [
    `WorkflowType = ${quoted(QUARANTINE_WORKFLOW)}`,
    oneOf('TaskQueue', taskQueuesOf(scope)),
    ...(filter.all ? [] : [`ExecutionStatus != "Completed"`]),
    ...(filter.since === undefined ? [] : [`StartTime >= ${quoted(new Date(filter.since).toISOString())}`]),
    ...(filter.until === undefined ? [] : [`StartTime < ${quoted(new Date(filter.until).toISOString())}`]),
  ].join(' AND ');
  let left = limit;
  const looked = concurrently(
    ours(port.list(query, signal), scope, filter),
    (one) => look(port, scope, one),
    signal,
  );
  for await (const record of looked) {
    if (left <= 0) return;
    if (!record || (!filter.all && record.state === 'through')) continue;
    left--;
    yield record;
  }
}

async function* ours(
  listed: AsyncIterable<ListedExecution>,
  { name }: OperateScope,
  { topic, route, cause }: QuarantineFilter,
): AsyncIterable<ListedExecution> {
  for await (const one of listed) {
    const noted = notedRecordOf(one.memo);
    if (noted.subscription !== name) continue;
    if (topic !== undefined && noted.topic !== topic) continue;
    if (route !== undefined && noted.route !== route) continue;
    if (cause !== undefined && one.memo['reason'] !== cause) continue;
    yield one;
  }
}

/** Undefined where another run has come after this one: that one is listed too. */
async function look(
  port: OperatorPort,
  scope: OperateScope,
  { workflowId, runId }: Pick<ListedExecution, 'workflowId' | 'runId'>,
): Promise<QuarantinedRecord | undefined> {
  const current = await port.inspect(workflowId);
  if (!current || current.runId !== runId) return undefined;
  return recordOf(port, scope, current);
}

async function recordOf(
  port: OperatorPort,
  scope: OperateScope,
  { workflowId, runId, memo, startedAt }: InspectedExecution,
): Promise<QuarantinedRecord> {
  const closing = await port.closing(workflowId, runId);
  const { topic, partition, offset, route } = notedRecordOf(memo);
  const cause = memo['reason'];
  return {
    workflowId,
    runId,
    cause: typeof cause === 'string' ? (cause as QuarantineReason) : 'unknown',
    reason: closing.kind === 'failed' ? reasonOfFailure(closing.error).message : '',
    topic,
    partition,
    offset,
    route,
    state: closing.kind === 'open' ? 'running' : closing.kind === 'completed' ? 'through' : 'waiting',
    since: startedAt,
    link: configuredLink(scope, workflowId, runId),
  };
}

/** @throws BridgeError `KTB_USAGE` if it is no record in quarantine */
export async function quarantinedRecord(
  port: OperatorPort,
  scope: OperateScope,
  workflowId: string,
): Promise<QuarantinedDetail> {
  const current = await quarantineExecution(port, scope, workflowId);
  const [input, decision] = await port.input(workflowId, current.runId);
  return {
    ...(await recordOf(port, scope, current)),
    input: input as QuarantineInput,
    decision: (decision ?? undefined) as QuarantineDecision | undefined,
  };
}

/**
 * Decides about a record in quarantine: it is dropped, started under another key, or sent through with another value. Who
 * and why stand in the history.
 * @returns the run in which it happens
 * @throws BridgeError `KTB_USAGE` if it is no record in quarantine, or has gone through already
 */
export async function resolveQuarantined(
  port: OperatorPort,
  scope: OperateScope,
  workflowId: string,
  action: ResolveAction,
  { why, who = whoAmI() }: ResolutionOptions,
): Promise<{ readonly workflowId: string; readonly runId: string }> {
  const { runId, status } = await quarantineExecution(port, scope, workflowId);
  const decision: QuarantineDecision =
    action.action === 'replaceValue'
      ? { who, why, action: 'replaceValue', value: action.value.toString('base64') }
      : { who, why, ...action };
  if (status === 'completed')
    throw new BridgeError(
      'KTB_USAGE',
      `Expected a record that waits in quarantine, got one that has gone through: ${workflowId}`,
    );
  const [input] = await port.input(workflowId, runId);
  return { workflowId, runId: await port.startAgain(workflowId, runId, [input, decision]) };
}

async function quarantineExecution(
  port: OperatorPort,
  scope: OperateScope,
  workflowId: string,
): Promise<InspectedExecution> {
  const found = await port.inspect(workflowId);
  if (found?.workflowType !== QUARANTINE_WORKFLOW || notedRecordOf(found.memo).subscription !== scope.name) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected a record in quarantine of subscription \`${scope.name}\`, got ${found ? `a ${found.workflowType}` : 'nothing'}: ${workflowId}`,
    );
  }
  return found;
}
