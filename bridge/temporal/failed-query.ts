import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import { oneOf, quoted } from '../operate/visibility-query.js';
import type { FailedExecutions } from './temporal-port.js';

/** Needs the search attribute `KtbRoute`. */
export function failedQuery({ routes, taskQueues, from, to }: FailedExecutions): string {
  return [
    oneOf('KtbRoute', routes),
    oneOf('TaskQueue', taskQueues),
    oneOf('ExecutionStatus', ['Failed', 'TimedOut', 'Terminated']),
    `WorkflowType != ${quoted(QUARANTINE_WORKFLOW)}`,
    `CloseTime >= ${quoted(new Date(from).toISOString())}`,
    `CloseTime < ${quoted(new Date(to).toISOString())}`,
  ].join(' AND ');
}
