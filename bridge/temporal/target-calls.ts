import { status as grpcStatus } from '@grpc/grpc-js';
import {
  AsyncCompletionClient,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
  type Connection,
} from '@temporalio/client';
import { ApplicationFailure, type DataConverter } from '@temporalio/common';
import type { temporal as api } from '@temporalio/proto';
import { messageOf } from '../errors.js';
import { faultOf } from './faults.js';
import { temporal } from './proto.js';
import { isEventOf, TargetClient, type UpdateHandle } from './target-client.js';
import type { MessageAnswer, StartWithMessage, TargetMessage, TargetPort } from './target-port.js';

export interface TargetCallsOptions {
  readonly connection: Connection;
  readonly namespace: string;
  readonly identity: string;
  readonly dataConverter: DataConverter | undefined;
  readonly callTimeoutMs: number;
}

/** What the attempt of an activity is told when it is over. */
const NO_LONGER_WANTED = new Set([
  'ActivityNotFoundError',
  'ActivityCancelledError',
  'ActivityPausedError',
  'ActivityResetError',
]);

/** The real server's part of the port for signals and updates. */
export class TargetCalls implements TargetPort {
  readonly #options: TargetCallsOptions;
  readonly #client: TargetClient;
  readonly #activities: AsyncCompletionClient;

  constructor(options: TargetCallsOptions) {
    this.#options = options;
    const { connection, namespace, identity, dataConverter } = options;
    const shared = {
      connection,
      namespace,
      identity,
      ...(dataConverter === undefined ? {} : { dataConverter }),
    };
    this.#client = new TargetClient(shared);
    this.#activities = new AsyncCompletionClient(shared);
  }

  send(message: TargetMessage, runId: string): Promise<MessageAnswer> {
    return this.#answer(async () => {
      if (message.kind === 'update') return resultOf(await this.#client.updateRun(message, runId), runId);
      await this.#client.signalRun(message, runId);
      return { kind: 'delivered', runId };
    });
  }

  sendWithStart(message: TargetMessage, start: StartWithMessage): Promise<MessageAnswer> {
    return this.#answer(async () => {
      if (message.kind === 'update') return resultOf(await this.#client.updateWithNewRun(message, start), '');
      return { kind: 'delivered', runId: await this.#client.signalWithNewRun(message, start) };
    });
  }

  async hasReceived(message: TargetMessage, runId: string): Promise<boolean> {
    const execution = { workflowId: message.workflowId, runId };
    let nextPageToken: Uint8Array | undefined;
    try {
      do {
        const page: api.api.workflowservice.v1.IGetWorkflowExecutionHistoryResponse = await this.#bounded(
          () =>
            this.#client.workflowService.getWorkflowExecutionHistory({
              namespace: this.#options.namespace,
              execution,
              ...(nextPageToken === undefined ? {} : { nextPageToken }),
            }),
        );
        if (page.history?.events?.some((event) => isEventOf(event, message))) return true;
        nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
      } while (nextPageToken !== undefined);
      return false;
    } catch (error) {
      if (isGrpcServiceError(error) && error.code === grpcStatus.NOT_FOUND) return false;
      throw faultOf(error);
    }
  }

  async runsSince(workflowId: string, sinceMs: number): Promise<readonly string[]> {
    // An ID with a quote in it finds nothing: the server compares it as it is escaped.
    const id = workflowId.replace(/[\\']/g, '\\$&');
    const query = `WorkflowId = '${id}' AND StartTime >= '${new Date(sinceMs).toISOString()}'`;
    try {
      return await this.#bounded(async () => {
        const runs: string[] = [];
        for await (const { runId } of this.#client.list({ query })) runs.push(runId);
        return runs;
      });
    } catch (error) {
      throw faultOf(error);
    }
  }

  async awaitClosed(
    workflowId: string,
    runId: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { connection, namespace } = this.#options;
    const ask = () =>
      this.#client.workflowService.getWorkflowExecutionHistory({
        namespace,
        execution: { workflowId, runId },
        // The server answers with the closing event, or after 20 s with none.
        waitNewEvent: true,
        historyEventFilterType:
          temporal.api.enums.v1.HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
      });
    try {
      const page = await connection.withDeadline(Date.now() + timeoutMs, () =>
        connection.withAbortSignal(signal, ask),
      );
      return (page.history?.events?.length ?? 0) > 0;
    } catch (error) {
      if (signal.aborted || isGrpcDeadlineError(error) || isGrpcCancelledError(error)) return false;
      if (isGrpcServiceError(error) && error.code === grpcStatus.NOT_FOUND && !isOfNamespace(error.details))
        return true;
      throw faultOf(error);
    }
  }

  async noteProgress(taskToken: Uint8Array, details: unknown): Promise<boolean> {
    try {
      await this.#bounded(() => this.#activities.heartbeat(taskToken, details));
      return true;
    } catch (error) {
      if (error instanceof Error && NO_LONGER_WANTED.has(error.name)) return false;
      throw faultOf(error);
    }
  }

  async #answer(call: () => Promise<MessageAnswer>): Promise<MessageAnswer> {
    try {
      return await this.#bounded(call);
    } catch (error) {
      switch (error instanceof Error ? error.name : '') {
        case 'WorkflowNotFoundError':
        case 'WorkflowExecutionAlreadyStartedError':
          return { kind: 'notTaken' };
        case 'WorkflowUpdateRPCTimeoutOrCancelledError':
          return { kind: 'pending' };
        case 'WorkflowUpdateFailedError':
          return refused((error as Error).cause);
        default:
          throw faultOf(error);
      }
    }
  }

  #bounded<T>(call: () => Promise<T>): Promise<T> {
    return this.#options.connection.withDeadline(Date.now() + this.#options.callTimeoutMs, call);
  }
}

async function resultOf(handle: UpdateHandle, runId: string): Promise<MessageAnswer> {
  return { kind: 'delivered', runId: handle.workflowRunId ?? runId, result: await handle.result() };
}

function refused(cause: unknown): MessageAnswer {
  const type = cause instanceof ApplicationFailure ? (cause.type ?? undefined) : undefined;
  return { kind: 'refused', message: messageOf(cause), type };
}

/** The whole namespace is missing: that says nothing of a run. */
function isOfNamespace(details: string | undefined): boolean {
  return /^namespace/i.test(details ?? '');
}
