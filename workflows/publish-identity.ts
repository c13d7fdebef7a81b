import { workflowInfo, type WorkflowInfo } from '@temporalio/workflow';
import type { RecordMemo } from './contract.js';
import { runPosition } from './run-position.js';

/**
 * What makes an event the same event, however often its publish is tried, replayed or reset: what the workflow handles,
 * which run of its chain it is, and the publish's name. The first part says of what kind the others are, and a kind has a
 * fixed number of them, with a position or without: no two different identities have the same parts.
 *
 * Published events are deduplicated by what is made of this: it never changes.
 */
export function publishIdentity(name: string): readonly string[] {
  return identityOf(workflowInfo(), runPosition(), name);
}

/** Pure. */
export function identityOf(
  info: Pick<WorkflowInfo, 'memo' | 'workflowId' | 'firstExecutionRunId'>,
  position: string,
  name: string,
): readonly string[] {
  return [...whatIsHandled(info), ...(position === '' ? [] : [position]), name];
}

function whatIsHandled({
  memo,
  workflowId,
  firstExecutionRunId,
}: Parameters<typeof identityOf>[0]): readonly string[] {
  // A memo may be anybody's.
  const { subscription, route, key, topic, partition, offset, timestamp } = (memo ??
    {}) as Partial<RecordMemo>;
  if (typeof subscription === 'string' && typeof route === 'string') {
    if (typeof key === 'string') return ['record', subscription, route, key];
    // Its coordinates stand in for the key. A topic made anew has the same ones, with another timestamp.
    if (typeof topic === 'string' && typeof offset === 'string')
      return ['place', subscription, route, topic, String(partition), `${offset}@${timestamp}`];
  }
  return ['run', workflowId, firstExecutionRunId];
}
