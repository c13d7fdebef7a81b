import { Connection, WorkflowClient, WorkflowFailedError } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/codec-helpers.js';
import type { temporal as api } from '@temporalio/proto';
import type { ResolvedConfig } from '../config/resolved.js';
import { describedOf, statusOf } from './describe.js';
import { faultOf } from './faults.js';
import type {
  Closing,
  History,
  InspectedExecution,
  JobState,
  ListedExecution,
  OperatorPort,
  PendingActivity,
  Reapply,
  ResetJob,
  ResetRequest,
} from './operator-port.js';
import { temporal } from './proto.js';
import { TemporalFault } from './temporal-port.js';
import { connectionOptions, SEARCH_ATTRIBUTES } from './sdk-temporal-port.js';
import { clientIdentity } from './worker-identity.js';

type Payloads = api.api.common.v1.IPayload[];

/** How long one call may take: the server answers long ones by itself. */
const CALL_TIMEOUT_MS = 20_000;
const PAGE = 500;

/** The SDK's client, which alone knows how arguments are decoded; what it doesn't offer goes to the raw service. */
class OperatorClient extends WorkflowClient {
  async valuesOf(workflowId: string, payloads: Payloads): Promise<readonly unknown[]> {
    const context = { type: 'workflow', namespace: this.options.namespace, workflowId } as const;
    return decodeArrayFromPayloads(this.dataConverter, payloads, context);
  }
}

/** The port against a real server. The connection is lazy: it may be made while the server is away. */
export class SdkOperatorPort implements OperatorPort {
  readonly #connection: Connection;
  readonly #client: OperatorClient;
  readonly #namespace: string;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #identity = clientIdentity();

  constructor(config: ResolvedConfig['temporal']) {
    this.#connection = Connection.lazy(connectionOptions(config));
    this.#namespace = config.namespace;
    this.#client = new OperatorClient({
      connection: this.#connection,
      namespace: config.namespace,
      identity: this.#identity,
      ...(config.dataConverter === undefined ? {} : { dataConverter: config.dataConverter }),
    });
  }

  async *list(query: string, signal?: AbortSignal): AsyncIterable<ListedExecution> {
    try {
      for await (const one of this.#client.list({ query, pageSize: PAGE })) {
        if (signal?.aborted) return;
        yield {
          workflowId: one.workflowId,
          runId: one.runId,
          workflowType: one.type,
          taskQueue: one.taskQueue,
          status: statusOf(one.status.name),
          startedAt: one.startTime.getTime(),
          closedAt: one.closeTime?.getTime(),
          memo: one.memo ?? {},
        };
      }
    } catch (error) {
      throw faultOf(error);
    }
  }

  async inspect(workflowId: string, runId?: string): Promise<InspectedExecution | undefined> {
    try {
      const found = await this.#bounded(() => this.#client.getHandle(workflowId, runId).describe());
      return { ...describedOf(found), pendingActivities: (found.raw.pendingActivities ?? []).map(pendingOf) };
    } catch (error) {
      if (error instanceof Error && error.name === 'WorkflowNotFoundError') return undefined;
      throw faultOf(error);
    }
  }

  async closing(workflowId: string, runId: string): Promise<Closing> {
    const found = await this.inspect(workflowId, runId);
    // Asked first: the SDK's `result` waits for one that is open.
    if (found?.closedAt === undefined) return { kind: 'open' };
    if (found.status === 'continuedAsNew') return { kind: 'completed', result: undefined };
    try {
      const handle = this.#client.getHandle(workflowId, runId, { followRuns: false });
      return { kind: 'completed', result: await this.#bounded(() => handle.result()) };
    } catch (error) {
      if (error instanceof WorkflowFailedError) return { kind: 'failed', error: error.cause ?? error };
      throw faultOf(error);
    }
  }

  async events(workflowId: string, runId: string): Promise<History> {
    try {
      return await this.#bounded(() => this.#client.getHandle(workflowId, runId).fetchHistory());
    } catch (error) {
      throw faultOf(error);
    }
  }

  async input(workflowId: string, runId: string): Promise<readonly unknown[]> {
    const [started] = (await this.events(workflowId, runId)).events ?? [];
    const { input } = started?.workflowExecutionStartedEventAttributes ?? {};
    return this.#client.valuesOf(workflowId, input?.payloads ?? []);
  }

  async reset(request: ResetRequest): Promise<string> {
    const { workflowId, runId } = request;
    const { RESET_REAPPLY_TYPE_ALL_ELIGIBLE } = temporal.api.enums.v1.ResetReapplyType;
    // Server 1.32 does not keep a Reset's request ID: made once more, it would end the run that the first one made.
    const current = await this.inspect(workflowId);
    if (current && current.runId !== runId) return current.runId;
    try {
      const answer = await this.#bounded(() =>
        this.#client.workflowService.resetWorkflowExecution({
          namespace: this.#namespace,
          workflowExecution: { workflowId, runId },
          reason: request.reason,
          // The wire type is int64; the encoder takes numbers too, and `long` is no dependency of ours.
          workflowTaskFinishEventId: request.eventId as never,
          requestId: request.requestId,
          resetReapplyType: RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
          resetReapplyExcludeTypes: excludedBy(request.reapply),
          identity: this.#identity,
        }),
      );
      return answer.runId;
    } catch (error) {
      throw faultOf(error);
    }
  }

  async startAgain(workflowId: string, runId: string, args: readonly unknown[]): Promise<string> {
    try {
      const found = await this.#bounded(() => this.#client.getHandle(workflowId, runId).describe());
      const ours = found.typedSearchAttributes
        .getAll()
        .filter(({ key }) => Object.hasOwn(SEARCH_ATTRIBUTES, key.name));
      const handle = await this.#bounded(() =>
        this.#client.start(found.type, {
          workflowId,
          taskQueue: found.taskQueue,
          args: [...args],
          memo: found.memo ?? {},
          typedSearchAttributes: new TypedSearchAttributes(ours),
          // One that went through meanwhile is not begun again.
          workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
          workflowIdConflictPolicy: 'TERMINATE_EXISTING',
        }),
      );
      return handle.firstExecutionRunId;
    } catch (error) {
      if (error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError')
        throw new TemporalFault('rejected', `${workflowId} has gone through meanwhile`, {
          status: 'ALREADY_EXISTS',
          cause: error,
        });
      throw faultOf(error);
    }
  }

  async startResetJob(job: ResetJob): Promise<void> {
    const { RESET_REAPPLY_TYPE_ALL_ELIGIBLE } = temporal.api.enums.v1.ResetReapplyType;
    try {
      await this.#bounded(() =>
        this.#client.workflowService.startBatchOperation({
          namespace: this.#namespace,
          jobId: job.jobId,
          reason: job.reason,
          executions: job.executions.map(({ workflowId, runId }) => ({ workflowId, runId })),
          resetOperation: {
            identity: this.#identity,
            options: {
              workflowTaskId: job.eventId as never,
              resetReapplyType: RESET_REAPPLY_TYPE_ALL_ELIGIBLE,
              resetReapplyExcludeTypes: excludedBy(job.reapply),
            },
          },
        }),
      );
    } catch (error) {
      throw faultOf(error);
    }
  }

  async job(jobId: string): Promise<JobState> {
    const { BATCH_OPERATION_STATE_COMPLETED, BATCH_OPERATION_STATE_FAILED } =
      temporal.api.enums.v1.BatchOperationState;
    try {
      const found = await this.#bounded(() =>
        this.#client.workflowService.describeBatchOperation({ namespace: this.#namespace, jobId }),
      );
      return {
        state:
          found.state === BATCH_OPERATION_STATE_COMPLETED
            ? 'completed'
            : found.state === BATCH_OPERATION_STATE_FAILED
              ? 'failed'
              : 'running',
        total: Number(found.totalOperationCount),
        done: Number(found.completeOperationCount),
        failed: Number(found.failureOperationCount),
      };
    } catch (error) {
      throw faultOf(error);
    }
  }

  async pollers(taskQueue: string): Promise<readonly string[]> {
    const { TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY } = temporal.api.enums.v1.TaskQueueType;
    try {
      const answers = await Promise.all(
        [TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY].map((taskQueueType) =>
          this.#bounded(() =>
            this.#client.workflowService.describeTaskQueue({
              namespace: this.#namespace,
              taskQueue: { name: taskQueue },
              taskQueueType,
            }),
          ),
        ),
      );
      return [...new Set(answers.flatMap(({ pollers }) => pollers.map(({ identity }) => identity ?? '')))];
    } catch (error) {
      throw faultOf(error);
    }
  }

  async close(): Promise<void> {
    if (this.#underWay.size === 0) return this.#connection.close();
    // The SDK tries again out of a timer, and on a closed channel that throws where nobody catches it: the calls that are
    // still under way end first. Nobody waits for them.
    void Promise.allSettled(this.#underWay).then(() => this.#connection.close().catch(() => undefined));
  }

  #bounded<T>(call: () => Promise<T>): Promise<T> {
    const work = this.#connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, call);
    this.#underWay.add(work);
    const ended = () => void this.#underWay.delete(work);
    work.then(ended, ended);
    return work;
  }
}

function excludedBy(reapply: Reapply): api.api.enums.v1.ResetReapplyExcludeType[] {
  const {
    RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL: signal,
    RESET_REAPPLY_EXCLUDE_TYPE_UPDATE: update,
    RESET_REAPPLY_EXCLUDE_TYPE_NEXUS: nexus,
  } = temporal.api.enums.v1.ResetReapplyExcludeType;
  switch (reapply) {
    case 'all':
      return [];
    case 'signals':
      return [update, nexus];
    case 'updates':
      return [signal, nexus];
    case 'none':
      return [signal, update, nexus];
  }
}

const PENDING_STATES: readonly PendingActivity['state'][] = [
  'unknown',
  'scheduled',
  'started',
  'cancelRequested',
  'paused',
  'paused',
];

function pendingOf(pending: api.api.workflow.v1.IPendingActivityInfo): PendingActivity {
  const { scheduledTime } = pending;
  // Of the first attempt it is when the task was made, not when it will be.
  const waits = pending.state === 1 && (pending.attempt ?? 1) > 1;
  const nextAttemptAt = waits && scheduledTime?.seconds ? Number(scheduledTime.seconds) * 1000 : undefined;
  return {
    activityType: pending.activityType?.name ?? '',
    state: PENDING_STATES[pending.state ?? 0] ?? 'unknown',
    attempt: pending.attempt ?? 1,
    nextAttemptAt,
    lastFailure: pending.lastFailure?.message || undefined,
  };
}
