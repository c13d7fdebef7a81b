import { randomUUID } from 'node:crypto';
import type { DescribedExecution, ExecutionStatus } from '../../../bridge/temporal/describe.js';
import {
  TemporalFault,
  type Backlog,
  type Capabilities,
  type FailedExecutions,
  type HistoryEvent,
  type StartAnswer,
  type StartRequest,
  type TemporalPort,
} from '../../../bridge/temporal/temporal-port.js';
import type { MessageAnswer, StartWithMessage, TargetMessage } from '../../../bridge/temporal/target-port.js';
import { delay } from '../../../bridge/timing.js';
import { QUARANTINE_WORKFLOW } from '../../../workflows/contract.js';
import { UnreliablePort } from './unreliable-port.js';

interface Execution {
  readonly request: StartRequest;
  readonly runId: string;
  /** The first of its chain, where it has continued as new. @default itself */
  readonly firstRunId?: string;
  /** Signals and updates, in the order of their coming. */
  readonly received?: TargetMessage[];
  /** Of the start that holds the ID: after a Reset it isn't one of ours. */
  readonly requestId: string | undefined;
  readonly startedAt: number;
  status: ExecutionStatus;
  closedAt: number | undefined;
}

const FAILED: ReadonlySet<ExecutionStatus> = new Set(['failed', 'timedOut', 'terminated']);

const BLOB_LIMIT = 2 * 1024 * 1024;

/** A Temporal namespace in memory, as far as the port shows one. */
class MemoryTemporal implements TemporalPort {
  /** Whether a worker has polled lately. */
  polled = false;
  readonly executions = new Map<string, Execution>();
  /** Runs that were continued as new, or followed by another start. */
  readonly pastRuns: Execution[] = [];
  /** Tasks that wait, where they aren't one for each running execution. */
  readonly backlogs = new Map<string, number>();
  blobSizeLimitBytes = BLOB_LIMIT;
  searchAttributes: ReadonlySet<string> = new Set(['KtbRecord', 'KtbKey', 'KtbRoute', 'KtbOffset']);

  async start(request: StartRequest): Promise<StartAnswer> {
    const bytes = Buffer.byteLength(JSON.stringify(request.args));
    if (bytes > this.blobSizeLimitBytes) {
      throw new TemporalFault('oversized', `Expected at most ${this.blobSizeLimitBytes} bytes, got ${bytes}`);
    }
    if (Buffer.byteLength(request.workflowId) > 1000)
      throw new TemporalFault('rejected', 'WorkflowId length exceeds limit');
    const holder = this.executions.get(request.workflowId);
    if (holder) {
      if (holder.requestId === request.requestId) {
        const { runId, status } = holder;
        return status === 'running' ? { kind: 'started', runId } : { kind: 'started', runId, closed: true };
      }
      return { kind: 'taken', runId: holder.runId, requestId: holder.requestId };
    }
    const runId = randomUUID();
    this.executions.set(request.workflowId, {
      request: { ...request, memo: withoutNulls(copy(request.memo)), args: copy(request.args) },
      requestId: request.requestId,
      runId,
      received: [],
      startedAt: Date.now(),
      status: 'running',
      closedAt: undefined,
    });
    return { kind: 'started', runId };
  }

  /** The current run, or the one that is named. */
  run(workflowId: string, runId?: string): Execution | undefined {
    const current = this.executions.get(workflowId);
    if (runId === undefined || current?.runId === runId) return current;
    return this.pastRuns.find((one) => one.runId === runId && one.request.workflowId === workflowId);
  }

  async send(message: TargetMessage, runId: string): Promise<MessageAnswer> {
    const found = this.run(message.workflowId, runId);
    const known = found?.received?.some(({ requestId }) => requestId === message.requestId) ?? false;
    if (!known && found?.status !== 'running') return { kind: 'notTaken' };
    if (!known) found?.received?.push(copy(message));
    return {
      kind: 'delivered',
      runId,
      ...(message.kind === 'update' ? { result: `did ${message.name}` } : {}),
    };
  }

  async sendWithStart(message: TargetMessage, start: StartWithMessage): Promise<MessageAnswer> {
    const { workflowId, requestId } = message;
    const holder = this.executions.get(workflowId);
    if (holder?.status === 'running' && message.kind === 'signal') return this.send(message, holder.runId);
    if (holder && (holder.status === 'running' || !start.afterClosed)) return { kind: 'notTaken' };
    if (holder) {
      this.pastRuns.push(holder);
      this.executions.delete(workflowId);
    }
    const labels = { record: '', key: undefined, route: undefined, offset: 0n };
    const { runId } = await this.start({ ...start, workflowId, requestId, memo: start.memo ?? {}, labels });
    return this.send(message, runId!);
  }

  async hasReceived(message: TargetMessage, runId: string): Promise<boolean> {
    const received = this.run(message.workflowId, runId)?.received ?? [];
    return received.some(({ requestId }) => requestId === message.requestId);
  }

  async runsSince(workflowId: string, sinceMs: number): Promise<readonly string[]> {
    return [...this.pastRuns, ...this.executions.values()]
      .filter((one) => one.request.workflowId === workflowId && one.startedAt >= sinceMs)
      .map(({ runId }) => runId);
  }

  async awaitClosed(
    workflowId: string,
    runId: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const status = this.run(workflowId, runId)?.status ?? 'unknown';
      if (status !== 'running') return true;
      if (signal.aborted || Date.now() >= deadline) return false;
      await delay(2, signal);
    }
  }

  /** By task token. */
  readonly progress = new Map<string, unknown>();

  async noteProgress(taskToken: Uint8Array, details: unknown): Promise<boolean> {
    this.progress.set(Buffer.from(taskToken).toString(), copy(details));
    return true;
  }

  async describe(workflowId: string, runId?: string): Promise<DescribedExecution | undefined> {
    const found = this.run(workflowId, runId);
    if (!found) return undefined;
    return {
      workflowId,
      runId: found.runId,
      firstRunId: found.firstRunId ?? found.runId,
      workflowType: found.request.workflowType,
      taskQueue: found.request.taskQueue,
      status: found.status,
      startedAt: found.startedAt,
      closedAt: found.closedAt,
      memo: copy(found.request.memo),
      historyLength: eventsOf(found).length,
    };
  }

  async history(workflowId: string, runId: string): Promise<readonly HistoryEvent[]> {
    const found = this.executions.get(workflowId);
    if (!found || found.runId !== runId)
      throw new TemporalFault('systemic', 'There is no such execution', { status: 'NOT_FOUND' });
    return eventsOf(found);
  }

  async backlog(taskQueue: string): Promise<Backlog> {
    const running = [...this.executions.values()].filter(
      (one) => one.request.taskQueue === taskQueue && one.status === 'running',
    );
    const count = this.backlogs.get(taskQueue) ?? running.length;
    return { count, ageMs: 0, polled: this.polled };
  }

  async countFailed({ routes, taskQueues, from, to }: FailedExecutions): Promise<number> {
    return [...this.executions.values()].filter(
      ({ request, status, closedAt = NaN }) =>
        FAILED.has(status) &&
        routes.includes(request.labels.route ?? '') &&
        taskQueues.includes(request.taskQueue) &&
        request.workflowType !== QUARANTINE_WORKFLOW &&
        from <= closedAt &&
        closedAt < to,
    ).length;
  }

  async capabilities(): Promise<Capabilities> {
    return {
      serverVersion: 'double',
      standaloneActivities: false,
      blobSizeLimitBytes: this.blobSizeLimitBytes,
      retentionMs: 86_400_000,
      searchAttributes: this.searchAttributes,
    };
  }

  async close(): Promise<void> {}
}

/** A Temporal for tests without a server: see {@link UnreliablePort} for what goes wrong on request. */
export class TemporalDouble extends UnreliablePort {
  readonly #memory: MemoryTemporal;

  constructor() {
    const memory = new MemoryTemporal();
    super(memory);
    this.#memory = memory;
  }

  get executions(): ReadonlyMap<string, Execution> {
    return this.#memory.executions;
  }

  /** Executions by workflow type. */
  ofType(workflowType: string): readonly Execution[] {
    return [...this.executions.values()].filter((one) => one.request.workflowType === workflowType);
  }

  set blobSizeLimitBytes(bytes: number) {
    this.#memory.blobSizeLimitBytes = bytes;
  }

  set searchAttributes(names: ReadonlySet<string>) {
    this.#memory.searchAttributes = names;
  }

  /** Whether a worker has polled lately. */
  set polled(polled: boolean) {
    this.#memory.polled = polled;
  }

  setBacklog(taskQueue: string, count: number): void {
    this.#memory.backlogs.set(taskQueue, count);
  }

  /** Ends an execution. */
  end(workflowId: string, status: ExecutionStatus = 'terminated'): void {
    const found = this.#memory.executions.get(workflowId);
    if (!found) throw new Error(`Expected an execution ${workflowId}, got none`);
    found.status = status;
    found.closedAt = Date.now();
  }

  /** The target of signals goes on in another run. @returns its ID */
  continueAsNew(workflowId: string): string {
    const found = this.#memory.executions.get(workflowId);
    if (!found) throw new Error(`Expected an execution ${workflowId}, got none`);
    this.end(workflowId, 'continuedAsNew');
    this.#memory.pastRuns.push(found);
    const runId = randomUUID();
    this.#memory.executions.set(workflowId, {
      ...found,
      runId,
      firstRunId: found.firstRunId ?? found.runId,
      requestId: randomUUID(),
      received: [],
      status: 'running',
      closedAt: undefined,
    });
    return runId;
  }

  /** What a workflow has received, in all of its runs, in order. */
  received(workflowId: string): readonly TargetMessage[] {
    const past = this.#memory.pastRuns.filter((one) => one.request.workflowId === workflowId);
    const current = this.#memory.executions.get(workflowId);
    return [...past, ...(current ? [current] : [])].flatMap((one) => one.received ?? []);
  }

  /** What an activity's attempt has noted for the next one. */
  progressOf(taskToken: Uint8Array): unknown {
    return this.#memory.progress.get(Buffer.from(taskToken).toString());
  }

  /** Retention has passed, or somebody has deleted it. */
  delete(workflowId: string): void {
    this.#memory.executions.delete(workflowId);
  }

  /** The holder of an ID becomes one whose request ID isn't ours: a Reset's, or a start of the user's own. */
  plant(workflowId: string, requestId: string | undefined, memo?: Readonly<Record<string, unknown>>): void {
    const found = this.#memory.executions.get(workflowId);
    const request: StartRequest = found?.request ?? {
      workflowId,
      requestId: requestId ?? '',
      workflowType: 'planted',
      taskQueue: 'planted',
      args: [],
      memo: memo ?? {},
      labels: { record: '', key: undefined, route: undefined, offset: 0n },
    };
    this.#memory.executions.set(workflowId, {
      request: { ...request, ...(memo === undefined ? {} : { memo }) },
      requestId,
      runId: randomUUID(),
      startedAt: Date.now(),
      status: 'running',
      closedAt: undefined,
    });
  }
}

function eventsOf(execution: Execution): readonly HistoryEvent[] {
  const types = [
    'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED',
    'EVENT_TYPE_WORKFLOW_TASK_SCHEDULED',
    ...(execution.received ?? []).map(() => 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED'),
    ...(execution.status === 'running' ? [] : ['EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED']),
  ];
  return types.map((type, index) => ({ eventId: index + 1, type }));
}

/** What goes into Temporal is JSON. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** A memo's null is Temporal's word for "no such field". */
function withoutNulls(memo: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(memo).filter(([, value]) => value !== null));
}
