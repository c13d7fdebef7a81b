import { Connection, type TLSConfig } from '@temporalio/client';
import { waitFor } from './wait.js';

export interface NamespaceOptions {
  /** Of the frontend: "127.0.0.1:7233". */
  readonly address: string;
  readonly namespace: string;
  /** How long closed executions are kept. */
  readonly retentionMs: number;
  /** @default plain text */
  readonly tls?: TLSConfig | undefined;
  readonly signal: AbortSignal;
}

const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

/**
 * Sees to it that the namespace exists with this retention, and waits until every service of the server knows it:
 * frontend, history and matching each refresh a cache of their own.
 */
export async function ensureNamespace(options: NamespaceOptions): Promise<void> {
  const { namespace, signal } = options;
  const connection = await connect(options, signal);
  try {
    const service = connection.workflowService;
    const seconds = Math.ceil(options.retentionMs / 1000);
    const retention = { workflowExecutionRetentionTtl: { seconds: seconds as unknown as Long } };
    const ensure = async (): Promise<boolean> => {
      const found = await orCode(service.describeNamespace({ namespace }), NOT_FOUND);
      if (found === undefined) {
        const request = {
          namespace,
          workflowExecutionRetentionPeriod: { seconds: seconds as unknown as Long },
        };
        await orCode(service.registerNamespace(request), ALREADY_EXISTS);
        return false;
      }
      if (Number(found.config?.workflowExecutionRetentionTtl?.seconds ?? 0) !== seconds) {
        await service.updateNamespace({ namespace, config: retention });
      }
      return true;
    };
    const usable = async (): Promise<boolean> => {
      await service.countWorkflowExecutions({ namespace });
      const taskQueue = { name: 'ktb-probe' };
      await service.describeTaskQueue({ namespace, taskQueue, taskQueueType: 1 });
      const execution = { workflowId: 'ktb-probe', runId: '' };
      const missing = await service
        .describeWorkflowExecution({ namespace, execution })
        .catch((error: unknown) => error);
      // "workflow not found": the history service knows the namespace.
      return isCode(missing, NOT_FOUND) && !/namespace/i.test(String((missing as Error).message));
    };
    // Whatever these calls answer while the server comes up, the deadline is the caller's.
    const patient = (call: () => Promise<boolean>) => async (): Promise<boolean> => call().catch(() => false);
    const wait = { timeoutMs: Infinity, intervalMs: 50, signal };
    await waitFor(patient(ensure), { what: `the namespace ${namespace}`, ...wait });
    await waitFor(patient(usable), { what: `the namespace ${namespace} to be usable`, ...wait });
  } finally {
    await connection.close();
  }
}

type Long = NonNullable<
  NonNullable<
    Parameters<Connection['workflowService']['registerNamespace']>[0]
  >['workflowExecutionRetentionPeriod']
>['seconds'];

/** A new connection for each attempt: one that failed waits longer and longer before it dials again. */
async function connect({ address, tls }: NamespaceOptions, signal: AbortSignal): Promise<Connection> {
  return waitFor(
    async () => Connection.connect({ address, tls, connectTimeout: 2000 }).catch(() => undefined),
    {
      what: `Temporal to answer at ${address}`,
      timeoutMs: Infinity,
      signal,
    },
  );
}

async function orCode<T>(call: Promise<T>, code: number): Promise<T | undefined> {
  return call.catch((error: unknown) => {
    if (isCode(error, code)) return undefined;
    throw error;
  });
}

function isCode(error: unknown, code: number): boolean {
  return (error as { code?: number } | undefined)?.code === code;
}
