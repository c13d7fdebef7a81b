import { randomUUID } from 'node:crypto';
import {
  type Connection,
  WithStartWorkflowOperation,
  WorkflowClient,
  type Workflow,
} from '@temporalio/client';
import {
  CAPACITY_WORKFLOW,
  capacityWorkflowId,
  LEASE_UPDATE,
  REPORT_SIGNAL,
  SETTINGS_UPDATE,
  VIEW_QUERY,
  type CapacitySettings,
  type CapacityView,
  type Lease,
  type LeaseRequest,
  type SettingsChange,
  type WorkerReport,
} from '../../workflows/capacity/contract.js';
import { ownTaskQueue } from '../../workflows/contract.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { messageOf } from '../errors.js';
import { delay } from '../timing.js';
import type { CapacityPort } from './capacity-port.js';
import { faultOf } from './faults.js';
import { lazyConnection } from './sdk-temporal-port.js';
import { TemporalFault } from './temporal-port.js';
import { clientIdentity } from './worker-identity.js';

export interface SdkCapacityPortOptions {
  /** How long a report may take. @default 5000 */
  readonly reportTimeoutMs?: number;
}

/**
 * What an update is told that meets a run while it continues as new, for up to a second or so: its task failed, since something else
 * came in (FAILED_PRECONDITION), the workflow "is closing" (RESOURCE_EXHAUSTED), or has closed. The next run takes it.
 */
const BETWEEN_RUNS: ReadonlySet<string> = new Set([
  'FAILED_PRECONDITION',
  'ABORTED',
  'NOT_FOUND',
  'RESOURCE_EXHAUSTED',
]);
const FIRST_WAIT_MS = 20;

/** The port against a real server. The connection is lazy: it may be made while the server is away. */
export class SdkCapacityPort implements CapacityPort {
  readonly #connection: Connection;
  readonly #client: WorkflowClient;
  readonly #taskQueue: string;
  readonly #reportTimeoutMs: number;

  constructor(config: ResolvedConfig['temporal'], options: SdkCapacityPortOptions = {}) {
    this.#connection = lazyConnection(config);
    this.#taskQueue = config.taskQueue;
    this.#reportTimeoutMs = options.reportTimeoutMs ?? 5_000;
    this.#client = new WorkflowClient({
      connection: this.#connection,
      namespace: config.namespace,
      identity: clientIdentity(),
      // One that was terminated answers no question: it is as if there were none.
      queryRejectCondition: 'NOT_OPEN',
      ...(config.dataConverter === undefined ? {} : { dataConverter: config.dataConverter }),
    });
  }

  /** The update's ID is the request's: repeated while no worker answers it is one update to the server, which takes ten at a time. */
  lease(request: LeaseRequest, timeoutMs: number): Promise<Lease> {
    return this.#update(LEASE_UPDATE, `lease-${request.bridge}-${request.sequence}`, request, timeoutMs);
  }

  change(change: SettingsChange, timeoutMs: number): Promise<CapacitySettings> {
    return this.#update(SETTINGS_UPDATE, `settings-${randomUUID()}`, change, timeoutMs);
  }

  async report(report: WorkerReport): Promise<void> {
    try {
      await this.#bounded(this.#reportTimeoutMs, () =>
        this.#client.signalWithStart(CAPACITY_WORKFLOW, {
          ...this.#start,
          signal: REPORT_SIGNAL,
          signalArgs: [report],
        }),
      );
    } catch (error) {
      throw faultOf(error);
    }
  }

  async view(timeoutMs: number): Promise<CapacityView | undefined> {
    try {
      return await this.#bounded(timeoutMs, () =>
        this.#client.getHandle(capacityWorkflowId(this.#taskQueue)).query<CapacityView>(VIEW_QUERY),
      );
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      if (name === 'WorkflowNotFoundError' || name === 'QueryRejectedError') return undefined;
      throw faultOf(error);
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  get #start() {
    return {
      workflowId: capacityWorkflowId(this.#taskQueue),
      taskQueue: ownTaskQueue(this.#taskQueue),
      args: [this.#taskQueue],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
    } as const;
  }

  async #update<T>(name: string, updateId: string, argument: unknown, timeoutMs: number): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (let wait = FIRST_WAIT_MS; ; wait *= 2) {
      try {
        return await this.#bounded(deadline - Date.now(), () =>
          this.#client.executeUpdateWithStart<Workflow, T, [unknown]>(name, {
            updateId,
            args: [argument],
            startWorkflowOperation: new WithStartWorkflowOperation<Workflow>(CAPACITY_WORKFLOW, this.#start),
          }),
        );
      } catch (error) {
        const fault = this.#updateFault(error, timeoutMs);
        if (!BETWEEN_RUNS.has(fault.status ?? '') || Date.now() + wait >= deadline) throw fault;
        await delay(wait);
      }
    }
  }

  #updateFault(error: unknown, timeoutMs: number): TemporalFault {
    const name = error instanceof Error ? error.name : '';
    if (name === 'WorkflowUpdateFailedError')
      return new TemporalFault('rejected', messageOf((error as Error).cause), { cause: error });
    // No worker answered. That is nobody's fault who asks, and no reason to ask otherwise.
    if (name === 'WorkflowUpdateRPCTimeoutOrCancelledError') {
      const message = `No worker on ${ownTaskQueue(this.#taskQueue)} answered in ${timeoutMs} ms`;
      return new TemporalFault('systemic', message, { status: 'DEADLINE_EXCEEDED', cause: error });
    }
    if (name === 'WorkflowNotFoundError')
      return new TemporalFault('systemic', messageOf(error), { status: 'NOT_FOUND', cause: error });
    return faultOf(error);
  }

  #bounded<T>(timeoutMs: number, call: () => Promise<T>): Promise<T> {
    return this.#connection.withDeadline(Date.now() + timeoutMs, call);
  }
}
