import type { temporal as api } from '@temporalio/proto';
import { Connection, type WorkflowStartOptions } from '@temporalio/client';
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
  type SearchAttributePair,
} from '@temporalio/common';
import type { RetryShape } from '../../workflows/contract.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { describedOf, type DescribedExecution } from './describe.js';
import { refusalWithoutAsking } from '../connections/refusal.js';
import { temporalService } from '../connections/service.js';

import { failedQuery } from './failed-query.js';
import { faultOf } from './faults.js';
import { boundedId } from './ids.js';
import { IdTaken, REQUEST_ID, StartingClient } from './starting-client.js';
import { temporal } from './proto.js';
import { TargetCalls } from './target-calls.js';
import type { TargetPort } from './target-port.js';
import type {
  Backlog,
  Capabilities,
  FailedExecutions,
  HistoryEvent,
  RecordLabels,
  StartAnswer,
  StartRequest,
  TemporalPort,
} from './temporal-port.js';
import { clientIdentity } from './worker-identity.js';

/** The bridge's search attributes, by name. Keywords are bounded like IDs: SQL stores refuse more than 255 bytes. */
export const SEARCH_ATTRIBUTES = {
  KtbRecord: SearchAttributeType.KEYWORD,
  KtbKey: SearchAttributeType.KEYWORD,
  KtbRoute: SearchAttributeType.KEYWORD,
  KtbOffset: SearchAttributeType.INT,
} as const;

const OWN_TYPES: ReadonlyMap<string, api.api.enums.v1.IndexedValueType> = new Map(
  Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [
    name,
    temporal.api.enums.v1.IndexedValueType[`INDEXED_VALUE_TYPE_${type}`],
  ]),
);
const RECORD = defineSearchAttributeKey('KtbRecord', SearchAttributeType.KEYWORD);
const KEY = defineSearchAttributeKey('KtbKey', SearchAttributeType.KEYWORD);
const ROUTE = defineSearchAttributeKey('KtbRoute', SearchAttributeType.KEYWORD);
const OFFSET = defineSearchAttributeKey('KtbOffset', SearchAttributeType.INT);

export interface SdkTemporalPortOptions {
  /** How long one call may take before it counts as a systemic fault. @default 10000 */
  readonly callTimeoutMs?: number;
  /** How long an answer about the namespace stays good. @default 60000 */
  readonly capabilitiesTtlMs?: number;
}

const DEFAULT_BLOB_LIMIT = 2 * 1024 * 1024;

/** What every client of this package connects with. */
export function connectionOptions(config: ResolvedConfig['temporal']) {
  return {
    address: config.address,
    ...(config.tls === undefined ? {} : { tls: config.tls }),
    ...(config.apiKey === undefined ? {} : { apiKey: config.apiKey }),
    ...(config.metadata === undefined ? {} : { metadata: { ...config.metadata } }),
  };
}

/**
 * Without retries: who waits and who is told is decided by the circuit and the fault judge.
 * @throws BridgeError where certificates can't be read
 */
export function lazyConnection(config: ResolvedConfig['temporal']): Connection {
  try {
    return Connection.lazy({ ...connectionOptions(config), interceptors: [] });
  } catch (error) {
    throw refusalWithoutAsking(error, temporalService(config)) ?? error;
  }
}

/** The port against a real server. The connection is lazy: it may be made while the server is away. */
export class SdkTemporalPort implements TemporalPort {
  readonly #connection: Connection;
  readonly #client: StartingClient;
  readonly #namespace: string;
  readonly #callTimeoutMs: number;
  readonly #ttlMs: number;
  readonly #targets: TargetCalls;
  #known: { readonly capabilities: Capabilities; readonly until: number } | undefined;

  constructor(config: ResolvedConfig['temporal'], options: SdkTemporalPortOptions = {}) {
    this.#connection = lazyConnection(config);
    this.#namespace = config.namespace;
    this.#callTimeoutMs = options.callTimeoutMs ?? 10_000;
    this.#ttlMs = options.capabilitiesTtlMs ?? 60_000;
    const identity = clientIdentity();
    this.#client = new StartingClient({
      connection: this.#connection,
      namespace: config.namespace,
      identity,
      ...(config.dataConverter === undefined ? {} : { dataConverter: config.dataConverter }),
    });
    this.#targets = new TargetCalls({
      connection: this.#connection,
      namespace: config.namespace,
      identity,
      dataConverter: config.dataConverter,
      callTimeoutMs: this.#callTimeoutMs,
    });
  }

  async start(request: StartRequest): Promise<StartAnswer> {
    const { searchAttributes } = await this.capabilities();
    const options = {
      ...startOptions(request, searchAttributes),
      [REQUEST_ID]: request.requestId,
    } as unknown as WorkflowStartOptions;
    try {
      const handle = await this.#bounded(() => this.#client.start(request.workflowType, options));
      const runId = handle.firstExecutionRunId;
      return this.#client.metClosed(runId)
        ? { kind: 'started', runId, closed: true }
        : { kind: 'started', runId };
    } catch (error) {
      const taken = takenIn(error);
      if (taken) return { kind: 'taken', requestId: taken.requestId, runId: taken.runId };
      throw faultOf(error);
    }
  }

  async describe(workflowId: string, runId?: string): Promise<DescribedExecution | undefined> {
    try {
      const found = await this.#bounded(() => this.#client.getHandle(workflowId, runId).describe());
      return describedOf(found);
    } catch (error) {
      if (error instanceof Error && error.name === 'WorkflowNotFoundError') return undefined;
      throw faultOf(error);
    }
  }

  async history(workflowId: string, runId: string): Promise<readonly HistoryEvent[]> {
    try {
      const { events } = await this.#bounded(() => this.#client.getHandle(workflowId, runId).fetchHistory());
      return (events ?? []).map(eventOf);
    } catch (error) {
      throw faultOf(error);
    }
  }

  async backlog(taskQueue: string): Promise<Backlog> {
    const kinds = [
      temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
      temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    ];
    try {
      const answers = await Promise.all(
        kinds.map((taskQueueType) =>
          this.#bounded(() =>
            this.#client.workflowService.describeTaskQueue({
              namespace: this.#namespace,
              taskQueue: { name: taskQueue },
              taskQueueType,
              reportStats: true,
            }),
          ),
        ),
      );
      return {
        count: sum(answers.map((answer) => Number(answer.stats?.approximateBacklogCount ?? 0))),
        ageMs: Math.max(
          ...answers.map((answer) => Number(answer.stats?.approximateBacklogAge?.seconds ?? 0) * 1000),
        ),
        polled: answers.some((answer) => (answer.pollers?.length ?? 0) > 0),
      };
    } catch (error) {
      throw faultOf(error);
    }
  }

  async countFailed(failed: FailedExecutions): Promise<number> {
    try {
      const { count } = await this.#bounded(() =>
        this.#client.workflowService.countWorkflowExecutions({
          namespace: this.#namespace,
          query: failedQuery(failed),
        }),
      );
      return Number(count);
    } catch (error) {
      throw faultOf(error);
    }
  }

  async capabilities(): Promise<Capabilities> {
    if (this.#known && this.#known.until > Date.now()) return this.#known.capabilities;
    try {
      const [namespace, system] = await Promise.all([
        this.#bounded(() => this.#client.workflowService.describeNamespace({ namespace: this.#namespace })),
        this.#bounded(() => this.#client.workflowService.getSystemInfo({})),
      ]);
      const limits = namespace.namespaceInfo?.limits;
      const capabilities: Capabilities = {
        serverVersion: system.serverVersion ?? '',
        standaloneActivities: Boolean(
          (namespace.namespaceInfo?.capabilities as { standaloneActivities?: boolean } | null)
            ?.standaloneActivities,
        ),
        blobSizeLimitBytes: Number(limits?.blobSizeLimitError ?? 0) || DEFAULT_BLOB_LIMIT,
        retentionMs: secondsToMs(namespace.config?.workflowExecutionRetentionTtl?.seconds),
        searchAttributes: await this.#searchAttributes(),
      };
      this.#client.limits.blobSizeLimitBytes = capabilities.blobSizeLimitBytes;
      this.#known = { capabilities, until: Date.now() + this.#ttlMs };
      return capabilities;
    } catch (error) {
      // What is known stays good while the server is away: the start itself will tell.
      if (this.#known) return this.#known.capabilities;
      throw faultOf(error);
    }
  }

  send(...call: Parameters<TargetPort['send']>) {
    return this.#targets.send(...call);
  }

  sendWithStart(...call: Parameters<TargetPort['sendWithStart']>) {
    return this.#targets.sendWithStart(...call);
  }

  hasReceived(...call: Parameters<TargetPort['hasReceived']>) {
    return this.#targets.hasReceived(...call);
  }

  runsSince(...call: Parameters<TargetPort['runsSince']>) {
    return this.#targets.runsSince(...call);
  }

  awaitClosed(...call: Parameters<TargetPort['awaitClosed']>) {
    return this.#targets.awaitClosed(...call);
  }

  noteProgress(...call: Parameters<TargetPort['noteProgress']>) {
    return this.#targets.noteProgress(...call);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Empty where the operator service is closed to us: everything works without them but queries by them. */
  async #searchAttributes(): Promise<ReadonlySet<string>> {
    try {
      const answer = await this.#bounded(() =>
        this.#connection.operatorService.listSearchAttributes({ namespace: this.#namespace }),
      );
      // One of ours that is registered as another type would make the server refuse every start.
      return new Set(
        Object.entries(answer.customAttributes ?? {})
          .filter(([name, type]) => (OWN_TYPES.get(name) ?? type) === type)
          .map(([name]) => name),
      );
    } catch (error) {
      if (faultOf(error).status === 'UNAVAILABLE') throw error;
      return new Set();
    }
  }

  #bounded<T>(call: () => Promise<T>): Promise<T> {
    return this.#connection.withDeadline(Date.now() + this.#callTimeoutMs, call);
  }
}

function startOptions(request: StartRequest, known: ReadonlySet<string>) {
  const labels = labelPairs(request.labels, known);
  const own = request.searchAttributes ?? [];
  return {
    workflowId: request.workflowId,
    taskQueue: request.taskQueue,
    args: [...request.args],
    memo: request.memo,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    ...(labels.length + own.length > 0
      ? { typedSearchAttributes: new TypedSearchAttributes([...own, ...labels] as SearchAttributePair[]) }
      : {}),
    ...(request.workflowExecutionTimeout === undefined
      ? {}
      : { workflowExecutionTimeout: request.workflowExecutionTimeout }),
    ...(request.workflowRunTimeout === undefined ? {} : { workflowRunTimeout: request.workflowRunTimeout }),
    ...(request.workflowTaskTimeout === undefined
      ? {}
      : { workflowTaskTimeout: request.workflowTaskTimeout }),
    ...(request.startDelayMs === undefined ? {} : { startDelay: request.startDelayMs }),
    ...(request.retry === undefined ? {} : { retry: retryPolicy(request.retry) }),
    ...(request.priority === undefined ? {} : { priority: request.priority }),
    ...(request.summary === undefined ? {} : { staticSummary: request.summary }),
    ...(request.details === undefined ? {} : { staticDetails: request.details }),
  };
}

function labelPairs(labels: RecordLabels, known: ReadonlySet<string>): SearchAttributePair[] {
  const pairs: SearchAttributePair[] = [];
  if (known.has(RECORD.name)) pairs.push({ key: RECORD, value: boundedId(labels.record) });
  if (known.has(KEY.name) && labels.key !== undefined) pairs.push({ key: KEY, value: boundedId(labels.key) });
  if (known.has(ROUTE.name) && labels.route !== undefined)
    pairs.push({ key: ROUTE, value: boundedId(labels.route) });
  if (known.has(OFFSET.name)) pairs.push({ key: OFFSET, value: Number(labels.offset) });
  return pairs;
}

/** Temporal's retry policy of our JSON form; `Infinity` attempts is what Temporal calls none. */
function retryPolicy(retry: RetryShape) {
  return {
    ...(Number.isFinite(retry.maximumAttempts) ? { maximumAttempts: retry.maximumAttempts } : {}),
    initialInterval: retry.initialIntervalMs,
    maximumInterval: retry.maximumIntervalMs,
    backoffCoefficient: retry.backoffCoefficient,
    nonRetryableErrorTypes: [...retry.nonRetryableErrors],
  };
}

function eventOf(event: api.api.history.v1.IHistoryEvent): HistoryEvent {
  const { EventType, WorkflowTaskFailedCause } = temporal.api.enums.v1;
  const about =
    event.activityTaskStartedEventAttributes ??
    event.activityTaskTimedOutEventAttributes ??
    event.activityTaskFailedEventAttributes ??
    event.activityTaskCompletedEventAttributes ??
    event.activityTaskCanceledEventAttributes;
  const cause = event.workflowTaskFailedEventAttributes?.cause;
  return {
    eventId: Number(event.eventId),
    type: EventType[event.eventType ?? 0] ?? '',
    ...(event.activityTaskScheduledEventAttributes?.activityId
      ? { activityId: event.activityTaskScheduledEventAttributes.activityId }
      : {}),
    ...(about?.scheduledEventId ? { scheduledEventId: Number(about.scheduledEventId) } : {}),
    ...(cause === WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW ? { reset: true } : {}),
  };
}

function takenIn(error: unknown): IdTaken | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof IdTaken) return current;
  }
  return undefined;
}

function secondsToMs(seconds: unknown): number | undefined {
  return seconds === undefined || seconds === null ? undefined : Number(seconds) * 1000;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
