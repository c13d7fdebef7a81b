import { randomUUID } from 'node:crypto';
import {
  Client,
  Connection,
  type TLSConfig,
  type WorkflowExecutionInfo,
  type WorkflowHandle,
} from '@temporalio/client';
import type { ResolvedConfig } from '../../bridge/config/resolved.js';
import { until } from './until.js';

export interface TemporalAddress {
  readonly address: string;
  readonly namespace: string;
  readonly tls?: TLSConfig;
}

/** As a config has it that says no more than address, namespace and task queue. */
export function plainTemporal(
  { address, namespace }: Pick<TemporalAddress, 'address' | 'namespace'>,
  taskQueue = 'unused',
): ResolvedConfig['temporal'] {
  return {
    address,
    namespace,
    taskQueue,
    tls: undefined,
    apiKey: undefined,
    metadata: undefined,
    dataConverter: undefined,
  };
}

/** A client with a connection of its own: `await client.connection.close()` ends it. */
export async function connectTemporal(server: TemporalAddress): Promise<Client> {
  const connection = await Connection.connect({
    address: server.address,
    tls: server.tls,
    connectTimeout: 30_000,
  });
  return new Client({ connection, namespace: server.namespace });
}

/** All executions of a query. Visibility lags: see {@link waitForCount}. */
export async function listExecutions(client: Client, query: string): Promise<WorkflowExecutionInfo[]> {
  const executions: WorkflowExecutionInfo[] = [];
  for await (const execution of client.workflow.list({ query, pageSize: 1000 })) executions.push(execution);
  return executions;
}

export async function countExecutions(client: Client, query: string): Promise<number> {
  return (await client.workflow.count(query)).count;
}

export interface WaitForCountOptions {
  /** @default 180_000 */
  readonly timeoutMs?: number;
  /** @default 'exactly' */
  readonly compare?: 'exactly' | 'at least';
}

/** Waits until visibility counts so many. @returns the count */
export async function waitForCount(
  client: Client,
  query: string,
  count: number,
  options: WaitForCountOptions = {},
): Promise<number> {
  const compare = options.compare ?? 'exactly';
  return until(async () => countExecutions(client, query), {
    what: `${compare} ${count} executions of ${query}`,
    timeoutMs: options.timeoutMs ?? 180_000,
    everyMs: 250,
    accept: (seen) => (compare === 'exactly' ? seen === count : seen >= count),
  });
}

export type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;

export async function historyOf(client: Client, workflowId: string, runId?: string): Promise<History> {
  return client.workflow.getHandle(workflowId, runId).fetchHistory();
}

/**
 * Resets an execution, as the UI's button does.
 * @param eventId of a completed workflow task, or any event after one: the server wants what follows that
 * @returns the new run's ID
 */
export async function resetTo(
  client: Client,
  workflowId: string,
  eventId: number,
  reason = 'test',
  runId?: string,
): Promise<string> {
  const response = await client.workflowService.resetWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId, ...(runId !== undefined && { runId }) },
    reason,
    // The wire type is int64; the encoder takes numbers too, and `long` is no dependency of ours.
    workflowTaskFinishEventId: eventId as never,
    requestId: randomUUID(),
  });
  return response.runId;
}

/** Terminates every running execution of a query. @returns how many */
export async function terminateAll(client: Client, query: string, reason = 'test'): Promise<number> {
  const running = await listExecutions(client, `(${query}) AND ExecutionStatus = 'Running'`);
  for (const { workflowId, runId } of running) {
    // One that has closed meanwhile is as good.
    await client.workflow
      .getHandle(workflowId, runId)
      .terminate(reason)
      .catch(() => {});
  }
  return running.length;
}
