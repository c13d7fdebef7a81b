/**
 * Temporal's workflow client, with the two things that it hides and dedupe needs: the request ID of a start, and, where
 * the ID is taken, the request ID of the start that holds it. Everything else (converters, codecs, external storage,
 * interceptors) is the SDK's own path; `@temporalio/client` is pinned for this file.
 */
import { status as grpcStatus } from '@grpc/grpc-js';
import {
  isGrpcServiceError,
  WorkflowClient,
  type WorkflowService,
  type WorkflowStartInput,
} from '@temporalio/client';
import type { temporal as api } from '@temporalio/proto';
import { google, temporal } from './proto.js';
import { TemporalFault } from './temporal-port.js';

/** Thrown through the SDK's start: the ID is taken. */
export class IdTaken extends Error {
  override readonly name = 'IdTaken';
  readonly requestId: string | undefined;
  readonly runId: string | undefined;
  constructor(requestId: string | undefined, runId: string | undefined) {
    super('The workflow ID is taken');
    this.requestId = requestId;
    this.runId = runId;
  }
}

/** Set beside the SDK's start options; a symbol, so that no user option can meet it. */
export const REQUEST_ID = Symbol('ktb.requestId');

type StartCall = api.api.workflowservice.v1.IStartWorkflowExecutionRequest;

export interface StartingClientLimits {
  /** Bytes that one payload field may have. */
  blobSizeLimitBytes: number;
}

/** Room for the fields around the payloads in gRPC's 4 MB message. */
const MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024 - 16 * 1024;

/** The server's default (`limit.userMetadataSummarySize`). A codec may make a line longer than that. */
const SUMMARY_LIMIT_BYTES = 400;

/** `WORKFLOW_EXECUTION_STATUS_RUNNING` */
const WORKFLOW_RUNNING = 1;

export class StartingClient extends WorkflowClient {
  #tapped: WorkflowService | undefined;
  /** Runs that a start has met again after their end, until somebody has asked for it. */
  readonly #closed = new Set<string>();
  readonly limits: StartingClientLimits = { blobSizeLimitBytes: 2 * 1024 * 1024 };

  override get workflowService(): WorkflowService {
    this.#tapped ??= tap(super.workflowService, this.limits, this.#closed);
    return this.#tapped;
  }

  /** Whether the start that gave this run has met it closed: the SDK keeps only the run's ID of the answer. Asked once. */
  metClosed(runId: string): boolean {
    return this.#closed.delete(runId);
  }

  protected override async createStartWorkflowRequest(
    input: WorkflowStartInput,
  ): ReturnType<WorkflowClient['createStartWorkflowRequest']> {
    const request = await super.createStartWorkflowRequest(input);
    const requestId = (input.options as { [REQUEST_ID]?: string })[REQUEST_ID];
    return withFittingSummary(requestId === undefined ? request : { ...request, requestId });
  }
}

function tap(service: WorkflowService, limits: StartingClientLimits, closed: Set<string>): WorkflowService {
  const tapped = Object.create(service) as WorkflowService;
  tapped.startWorkflowExecution = (async (request: StartCall) => {
    checkSize(request, limits);
    try {
      const answer = await service.startWorkflowExecution(request as never);
      // Older servers leave it unspecified; a new execution runs.
      if (answer.status > WORKFLOW_RUNNING) closed.add(answer.runId);
      return answer;
    } catch (error) {
      if (isGrpcServiceError(error) && error.code === grpcStatus.ALREADY_EXISTS) throw takenBy(error);
      throw error;
    }
  }) as WorkflowService['startWorkflowExecution'];
  return tapped;
}

/** Checked here, after codec and external storage: the server would answer with three different errors. */
function checkSize(request: StartCall, limits: StartingClientLimits): void {
  const input = payloadBytes(request.input?.payloads ?? []);
  const memo = payloadBytes(Object.values(request.memo?.fields ?? {}));
  if (input > limits.blobSizeLimitBytes || input + memo > MESSAGE_LIMIT_BYTES) {
    throw new TemporalFault(
      'oversized',
      `Expected the event to have at most ${limits.blobSizeLimitBytes} bytes once encoded, got ${input}: Temporal refuses larger input`,
    );
  }
}

/** A line for readers must never be why a record is refused: with every codec it is sent only where it fits. */
function withFittingSummary<T extends StartCall>(request: T): T {
  const { summary, details } = request.userMetadata ?? {};
  if (!summary || payloadBytes([summary]) <= SUMMARY_LIMIT_BYTES) return request;
  return { ...request, userMetadata: details ? { details } : null };
}

function payloadBytes(payloads: readonly api.api.common.v1.IPayload[]): number {
  let bytes = 0;
  for (const payload of payloads) {
    bytes += payload.data?.length ?? 0;
    for (const value of Object.values(payload.metadata ?? {})) bytes += value?.length ?? 0;
  }
  return bytes;
}

function takenBy(error: { metadata: { get(key: string): (string | Buffer)[] } }): IdTaken {
  const bytes = error.metadata.get('grpc-status-details-bin')[0];
  if (bytes !== undefined && typeof bytes !== 'string') {
    for (const detail of google.rpc.Status.decode(bytes).details ?? []) {
      if (!detail.type_url?.endsWith('WorkflowExecutionAlreadyStartedFailure') || !detail.value) continue;
      const failure = temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure.decode(
        detail.value,
      );
      return new IdTaken(failure.startRequestId || undefined, failure.runId || undefined);
    }
  }
  return new IdTaken(undefined, undefined);
}
