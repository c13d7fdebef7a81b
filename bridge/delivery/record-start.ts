import type { RecordMemo } from '../../workflows/contract.js';
import { isToTarget } from '../config/resolved.js';
import type { DeliverableRecord } from '../intake/mapped-record.js';
import type { ResolvedConfig } from '../config/resolved.js';
import type { Priority, StartOptions } from '../config/types.js';
import { keyHash, parseRequestId, recordWorkflowId, startRequestId, type IdScope } from '../temporal/ids.js';
import type { StartRequest, TemporalPort } from '../temporal/temporal-port.js';
import { meaningOfTakenId } from './outcomes.js';
import { executionOf, timeoutsOf } from './record-execution.js';
import { summaryOf } from './summary.js';

/** What a start needs to know of the configuration. */
export interface StartScope extends IdScope {
  readonly taskQueue: string;
  readonly keySearchAttribute: 'plain' | 'hash' | 'off';
}

/** What every start of this configuration has in common. */
export function scopeOf(config: ResolvedConfig): StartScope {
  return {
    name: config.name,
    idPrefix: config.idPrefix,
    taskQueue: config.temporal.taskQueue,
    keySearchAttribute: config.keySearchAttribute,
  };
}

/** What came of a start. `message` says whose the ID is, where it isn't ours. */
export interface RecordStart {
  readonly outcome: 'started' | 'duplicate' | 'conflict' | 'foreign';
  readonly workflowId: string;
  readonly runId: string | undefined;
  readonly message: string;
  /** It was started before, and has closed: it weighs on nobody. */
  readonly closed?: true;
}

/** Temporal's numbers: 1 is first, 3 is what a task without one has. */
const TASK_PRIORITY: Readonly<Record<Priority, number>> = { high: 1, medium: 3, low: 5 };

/**
 * The start of a record's execution: the same for every redelivery, by whichever process, but for its slot: that of the
 * start that began it stands in the memo.
 */
export function startRequestOf(
  record: DeliverableRecord,
  scope: StartScope,
  nowMs: number,
  slot?: string,
): StartRequest {
  const { source, route, key } = record;
  const { target } = route;
  // On a signal or update route they are those of the workflow that it may start.
  const options: StartOptions = isToTarget(target) ? {} : target.options;
  const memo: RecordMemo & { valueHash: string } = {
    subscription: scope.name,
    route: route.id,
    key: key.text ?? null,
    topic: source.topic,
    partition: source.partition,
    offset: source.offset.toString(),
    timestamp: source.timestampMs,
    processedAt: source.receivedAtMs ?? nowMs,
    valueHash: valueHashOf(record, scope),
    ...(slot === undefined || isDelayed(record, nowMs) ? {} : { slot }),
  };
  return {
    workflowId: recordWorkflowId(scope, route.id, key, source),
    requestId: startRequestId(scope.name, route.id, source, source.value),
    ...executionOf(record, scope),
    memo: { ...options.memo, ...memo },
    labels: {
      record: `${source.topic}/${source.partition}/${source.offset}`,
      key: keyLabel(key.text, scope.keySearchAttribute),
      route: route.id,
      offset: source.offset,
    },
    summary: summaryOf(source, '', record.info.eventType ?? ''),
    ...(options.searchAttributes === undefined
      ? {}
      : { searchAttributes: options.searchAttributes.getAll() }),
    ...timeoutsOf(options),
    ...(target.kind === 'workflow' && target.retry !== undefined ? { retry: target.retry } : {}),
    ...(isDelayed(record, nowMs) ? { startDelayMs: record.notBeforeMs! - nowMs } : {}),
    ...taskPriorityOf(record),
  };
}

/** What says nothing is left out. */
function taskPriorityOf({ priority, fairnessKey }: DeliverableRecord): Pick<StartRequest, 'priority'> {
  if (priority === 'medium' && fairnessKey === undefined) return {};
  return {
    priority: {
      ...(priority === 'medium' ? {} : { priorityKey: TASK_PRIORITY[priority] }),
      ...(fairnessKey === undefined ? {} : { fairnessKey }),
    },
  };
}

/** It weighs on nobody until it is due. */
export function isDelayed({ notBeforeMs = 0 }: DeliverableRecord, nowMs: number): boolean {
  return notBeforeMs > nowMs;
}

function keyLabel(key: string | undefined, form: StartScope['keySearchAttribute']): string | undefined {
  if (key === undefined || form === 'off') return undefined;
  return form === 'hash' ? keyHash(key) : key;
}

function valueHashOf(record: DeliverableRecord, scope: StartScope): string {
  return parseRequestId(startRequestId(scope.name, record.route.id, record.source, record.source.value))!
    .value;
}

/**
 * Starts a record's execution, or learns whose the ID is.
 * @throws TemporalFault
 */
export async function startRecord(
  port: Pick<TemporalPort, 'start' | 'describe'>,
  record: DeliverableRecord,
  scope: StartScope,
  nowMs: number,
  slot?: string,
): Promise<RecordStart> {
  const request = startRequestOf(record, scope, nowMs, slot);
  const { workflowId } = request;
  for (let attempt = 1; ; attempt++) {
    const answer = await port.start(request);
    if (answer.kind === 'started') {
      const { runId, closed } = answer;
      return { outcome: 'started', workflowId, runId, message: '', ...(closed ? { closed } : {}) };
    }
    const meaning = meaningOfTakenId(request.requestId, answer.requestId);
    if (meaning !== 'unknown') {
      return {
        outcome: meaning,
        workflowId,
        runId: answer.runId,
        message: messageFor(meaning, workflowId, scope),
      };
    }
    const asked = await askMemo(port, record, scope, workflowId);
    // Gone between the two calls: the ID is free again, or soon.
    if (asked === undefined && attempt < 3) continue;
    const outcome = asked?.outcome ?? 'foreign';
    return {
      outcome,
      workflowId,
      runId: answer.runId,
      message: messageFor(outcome, workflowId, scope, asked?.owner),
    };
  }
}

/** The ID's holder was not started by a request of ours: a Reset made it, or somebody else. Its memo tells. */
async function askMemo(
  port: Pick<TemporalPort, 'describe'>,
  record: DeliverableRecord,
  scope: StartScope,
  workflowId: string,
): Promise<{ outcome: RecordStart['outcome']; owner: string } | undefined> {
  const found = await port.describe(workflowId);
  if (!found) return undefined;
  const memo = found.memo as Partial<RecordMemo> & { valueHash?: string };
  if (memo.subscription === undefined)
    return { outcome: 'foreign', owner: `a start that no bridge made (${found.workflowType})` };
  if (memo.subscription !== scope.name || memo.route !== record.route.id) {
    return { outcome: 'foreign', owner: `subscription \`${memo.subscription}\`, route \`${memo.route}\`` };
  }
  const { source } = record;
  const sameRecord =
    memo.topic === source.topic &&
    memo.partition === source.partition &&
    memo.offset === source.offset.toString() &&
    memo.timestamp === source.timestampMs;
  if (sameRecord) return { outcome: 'started', owner: '' };
  const sameValue = memo.valueHash === undefined || memo.valueHash === valueHashOf(record, scope);
  return { outcome: sameValue ? 'duplicate' : 'conflict', owner: '' };
}

function messageFor(
  outcome: RecordStart['outcome'],
  workflowId: string,
  scope: StartScope,
  owner?: string,
): string {
  switch (outcome) {
    case 'started':
      return '';
    case 'duplicate':
      return `The key was taken before, with the same value: ${workflowId}`;
    case 'conflict':
      return `The key was taken before, with another value: ${workflowId}`;
    case 'foreign':
      return (
        `The workflow ID ${workflowId} belongs to ${owner ?? 'another subscription or route'}, ` +
        `not to this route of \`${scope.name}\`: give one of them its own \`idPrefix\``
      );
  }
}
