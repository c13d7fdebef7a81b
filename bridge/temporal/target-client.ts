import { WorkflowClient, type WorkflowService, type WorkflowStartInput } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { msOptionalToTs } from '@temporalio/common/lib/time.js';
import type { temporal as api } from '@temporalio/proto';
import type { StartWithMessage, TargetMessage } from './target-port.js';

type Payload = api.api.common.v1.IPayload;
type Header = api.api.common.v1.IHeader | null | undefined;
type Event = api.api.history.v1.IHistoryEvent;

/** In the header of a message: its request ID. It stays in the history, also where a server keeps none of its own there. */
const REQUEST_ID_FIELD = 'ktb-request-id';

/** What of the SDK's update handle is used. */
export interface UpdateHandle {
  readonly workflowRunId?: string;
  result(): Promise<unknown>;
}

/**
 * Temporal's workflow client for messages: it gives a signal, and a start with a message, the request ID that the SDK would
 * draw. Converters, codecs and external storage are the SDK's own path; `@temporalio/client` is pinned for this file.
 */
export class TargetClient extends WorkflowClient {
  #tapped: WorkflowService | undefined;

  override get workflowService(): WorkflowService {
    this.#tapped ??= tap(super.workflowService);
    return this.#tapped;
  }

  protected override async createStartWorkflowRequest(
    input: WorkflowStartInput,
  ): ReturnType<WorkflowClient['createStartWorkflowRequest']> {
    const request = await super.createStartWorkflowRequest(input);
    return { ...request, requestId: requestIdIn(request.header) ?? request.requestId };
  }

  async signalRun(message: TargetMessage, runId: string): Promise<void> {
    await this._signalWorkflowHandler({
      workflowExecution: { workflowId: message.workflowId, runId },
      signalName: message.name,
      args: [...message.args],
      headers: headersOf(message),
    });
  }

  /** @returns the ID of the run that it has started */
  async signalWithNewRun(message: TargetMessage, start: StartWithMessage): Promise<string> {
    return this._signalWithStartWorkflowHandler({
      workflowType: start.workflowType,
      signalName: message.name,
      signalArgs: [...message.args],
      options: startOptions(message, start),
      headers: headersOf(message),
    });
  }

  async updateRun(message: TargetMessage, runId: string): Promise<UpdateHandle> {
    const { updateId, workflowRunId, outcome } = await this._startUpdateHandler('COMPLETED', {
      updateName: message.name,
      args: [...message.args],
      workflowExecution: { workflowId: message.workflowId, runId },
      options: { updateId: message.requestId },
      headers: headersOf(message),
    });
    return this.createWorkflowUpdateHandle(updateId, message.workflowId, workflowRunId, outcome);
  }

  async updateWithNewRun(message: TargetMessage, start: StartWithMessage): Promise<UpdateHandle> {
    const answer = await this._updateWithStartHandler(
      'COMPLETED',
      () => undefined,
      () => undefined,
      {
        workflowType: start.workflowType,
        workflowStartOptions: startOptions(message, start),
        workflowStartHeaders: headersOf(message),
        updateName: message.name,
        updateArgs: [...message.args],
        updateOptions: { updateId: message.requestId },
        updateHeaders: headersOf(message),
      },
    );
    const { updateId, workflowExecution, updateOutcome } = answer;
    return this.createWorkflowUpdateHandle(
      updateId,
      message.workflowId,
      workflowExecution.runId ?? undefined,
      updateOutcome,
    );
  }
}

/** Whether an event is this signal, or the acceptance of this update. */
export function isEventOf(event: Event, { kind, requestId }: TargetMessage): boolean {
  if (kind === 'update') {
    const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
    return (
      accepted?.protocolInstanceId === requestId || accepted?.acceptedRequest?.meta?.updateId === requestId
    );
  }
  const signaled = event.workflowExecutionSignaledEventAttributes;
  return (
    signaled !== null &&
    signaled !== undefined &&
    (signaled.requestId === requestId || requestIdIn(signaled.header) === requestId)
  );
}

/** A start with a signal must not ask for `FAIL`: servers refuse it. Where a run has begun meanwhile, it gets the signal. */
function startOptions({ kind, workflowId }: TargetMessage, start: StartWithMessage) {
  return {
    workflowId,
    taskQueue: start.taskQueue,
    args: [...start.args],
    workflowIdReusePolicy: start.afterClosed ? 'ALLOW_DUPLICATE' : 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: kind === 'signal' ? 'USE_EXISTING' : 'FAIL',
    ...(start.memo === undefined ? {} : { memo: { ...start.memo } }),
    workflowExecutionTimeout: msOptionalToTs(start.workflowExecutionTimeout),
    workflowRunTimeout: msOptionalToTs(start.workflowRunTimeout),
    workflowTaskTimeout: msOptionalToTs(start.workflowTaskTimeout),
  } as never;
}

function headersOf({ requestId }: TargetMessage): Record<string, Payload> {
  return { [REQUEST_ID_FIELD]: defaultPayloadConverter.toPayload(requestId)! };
}

function requestIdIn(header: Header): string | undefined {
  const payload = header?.fields?.[REQUEST_ID_FIELD];
  if (!payload) return undefined;
  try {
    const value: unknown = defaultPayloadConverter.fromPayload(payload);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined; // somebody else's field of that name
  }
}

function tap(service: WorkflowService): WorkflowService {
  const tapped = Object.create(service) as WorkflowService;
  tapped.signalWorkflowExecution = ((request: api.api.workflowservice.v1.ISignalWorkflowExecutionRequest) =>
    service.signalWorkflowExecution(
      withRequestId(request) as never,
    )) as WorkflowService['signalWorkflowExecution'];
  tapped.signalWithStartWorkflowExecution = ((
    request: api.api.workflowservice.v1.ISignalWithStartWorkflowExecutionRequest,
  ) =>
    service.signalWithStartWorkflowExecution(
      withRequestId(request) as never,
    )) as WorkflowService['signalWithStartWorkflowExecution'];
  return tapped;
}

function withRequestId<T extends { header?: Header; requestId?: string | null }>(request: T): T {
  return { ...request, requestId: requestIdIn(request.header) ?? request.requestId };
}
