import type { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { ApplicationFailure } from '@temporalio/common';
import type { FailureRun } from '../workflows/contract.js';
import { releaseCapacityOf } from './release-capacity.js';

/** What an activity route's function gets as its third argument. */
export interface HandlerCall {
  /**
   * Aborted when this call is no longer wanted: the workflow was cancelled or terminated, the worker is shutting down,
   * or Temporal has given the call to somebody else. A handler that heeds it does nothing twice that it can help.
   */
  readonly signal: AbortSignal;
  /** 1 for the first call. */
  readonly attempt: number;
  /** A sign of life with what a repeated call should know; signs without it are sent for you. */
  heartbeat(details?: unknown): void;
  /** Gives the record's slot back before the call ends: what is left of it mostly waits. */
  releaseCapacity(): void;
}

/**
 * Around every activity of our own workflows: its failure says in which run it happened (see workflows/once-per-run.ts),
 * and it sends signs of life, without which neither a dead worker nor a cancellation would be noticed.
 */
export class MarkRun implements ActivityInboundCallsInterceptor {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const { info, cancellationSignal } = this.#context;
    let details: unknown = info.heartbeatDetails;
    const send = this.#context.heartbeat.bind(this.#context);
    const heartbeat = (given?: unknown) => {
      if (given !== undefined) details = given;
      send(details);
    };
    // A handler's own signs go through here too: ours must repeat its last details, not wipe them.
    Object.defineProperty(this.#context, 'heartbeat', { value: heartbeat, configurable: true });
    const call: HandlerCall = {
      signal: cancellationSignal,
      attempt: info.attempt,
      heartbeat,
      releaseCapacity: () => releaseCapacityOf(this.#context),
    };
    const beat = info.heartbeatTimeoutMs
      ? setInterval(() => heartbeat(), Math.max(100, info.heartbeatTimeoutMs / 3))
      : undefined;
    try {
      return await next({ ...input, args: [...input.args, call] });
    } catch (error) {
      throw marked(error, info.workflowExecution?.runId ?? '');
    } finally {
      clearInterval(beat);
    }
  }
}

/** The same failure for the reader, with one more detail: the run. */
function marked(error: unknown, run: string): unknown {
  if (!(error instanceof Error)) return marked(new Error(String(error)), run);
  if (error.name === 'CancelledFailure' || error.name === 'CompleteAsyncError' || error.name === 'AbortError')
    return error;
  const detail: FailureRun = { ktbRun: run };
  const own = error instanceof ApplicationFailure ? error : undefined;
  const failure = ApplicationFailure.create({
    message: error.message,
    type: own ? (own.type ?? undefined) : error.name,
    nonRetryable: own?.nonRetryable ?? false,
    details: [...(own?.details ?? []), detail],
    ...(own?.category ? { category: own.category } : {}),
    ...(own?.nextRetryDelay === undefined ? {} : { nextRetryDelay: own.nextRetryDelay }),
    ...(error.cause instanceof Error ? { cause: error.cause } : {}),
  });
  if (error.stack !== undefined) failure.stack = error.stack;
  return failure;
}
