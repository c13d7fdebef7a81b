import {
  defaultPayloadConverter,
  workflowInfo,
  type ContinueAsNewInput,
  type Next,
  type WorkflowExecuteInput,
  type WorkflowInboundCallsInterceptor,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';

/** In the header: how often the chain has continued as new before this run. */
const HEADER = 'ktb-position';

/** On the global object, since a bundle may hold this package twice; each workflow has a global object of its own. */
const POSITION = Symbol.for('ktb.runPosition');

/**
 * Counts the runs of a chain by a header that each hands on to the next: a retry is given the header of the run that it
 * repeats, and a Reset keeps it. Run IDs can't say so much: whoever resets an earlier run of a chain gets other ones behind
 * it. No command and no turn of a promise is added, and a replay compares no headers.
 */
export class RunPosition implements WorkflowInboundCallsInterceptor, WorkflowOutboundCallsInterceptor {
  #position = 0;

  execute(input: WorkflowExecuteInput, next: Next<WorkflowInboundCallsInterceptor, 'execute'>) {
    this.#position = positionIn(input.headers[HEADER]);
    (globalThis as Record<symbol, unknown>)[POSITION] = this.#position;
    return next(input);
  }

  continueAsNew(input: ContinueAsNewInput, next: Next<WorkflowOutboundCallsInterceptor, 'continueAsNew'>) {
    const position = defaultPayloadConverter.toPayload(this.#position + 1);
    return next({ ...input, headers: { ...input.headers, [HEADER]: position } });
  }
}

/**
 * Which run of its chain this one is: '' for the first, and for its retries. Where nobody counted (a bundle that was built
 * without our interceptors, a cron schedule), a run is known by the ID that a Reset keeps: a retry of it is another one
 * then, so that at worst an event is published twice, and none is taken for another.
 */
export function runPosition(): string {
  const counted = (globalThis as Record<symbol, unknown>)[POSITION] as number | undefined;
  const {
    attempt,
    cronSchedule,
    continuedFromExecutionRunId: before,
    firstExecutionRunId: first,
    originalExecutionRunId: original,
  } = workflowInfo();
  if (before === undefined) return '';
  if (cronSchedule) return original;
  if (counted !== undefined && counted > 0) return String(counted);
  const isRetryOfFirst = attempt > 1 && (counted !== undefined || before === first);
  return isRetryOfFirst ? '' : original;
}

/** A header can be anybody's. */
function positionIn(header: WorkflowExecuteInput['headers'][string] | undefined): number {
  if (header === undefined) return 0;
  try {
    const position: unknown = defaultPayloadConverter.fromPayload(header);
    return Number.isSafeInteger(position) && (position as number) > 0 ? (position as number) : 0;
  } catch {
    return 0;
  }
}
