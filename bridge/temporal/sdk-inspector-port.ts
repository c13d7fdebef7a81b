import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Connection, WorkflowClient } from '@temporalio/client';
import type { ResolvedConfig } from '../config/resolved.js';
import { faultOf } from './faults.js';
import type {
  InspectorPort,
  NamespaceFacts,
  Probe,
  SearchAttributeKind,
  ServerFacts,
  StartedExecution,
  StartedFromOptions,
  TaskKind,
  TaskQueueFacts,
} from './inspector-port.js';
import { temporal } from './proto.js';
import { connectionOptions } from './sdk-temporal-port.js';

const CALL_TIMEOUT_MS = 10_000;
/** What an operator's key may lack while everything that a bridge needs works. */
const REFUSED = new Set(['UNIMPLEMENTED', 'PERMISSION_DENIED', 'UNAUTHENTICATED', 'NOT_FOUND']);
const KINDS: readonly SearchAttributeKind[] = [
  'Unknown',
  'Text',
  'Keyword',
  'Int',
  'Double',
  'Bool',
  'Datetime',
  'KeywordList',
];

/** The port against a real server. The connection is lazy: the first call says what is wrong with it. */
export class SdkInspectorPort implements InspectorPort {
  readonly #connection: Connection;
  readonly #client: WorkflowClient;
  readonly #namespace: string;

  constructor(config: ResolvedConfig['temporal']) {
    // No retries: what fails is a finding.
    this.#connection = Connection.lazy({ ...connectionOptions(config), interceptors: [] });
    this.#namespace = config.namespace;
    this.#client = new WorkflowClient({
      connection: this.#connection,
      namespace: config.namespace,
      ...(config.dataConverter === undefined ? {} : { dataConverter: config.dataConverter }),
    });
  }

  server(): Promise<ServerFacts> {
    return this.#asked(async () => {
      const { serverVersion } = await this.#client.workflowService.getSystemInfo({});
      const cluster = await this.#client.workflowService.getClusterInfo({}).catch(() => undefined);
      return { version: serverVersion ?? '', persistence: cluster?.persistenceStore || undefined };
    });
  }

  namespace(): Promise<NamespaceFacts> {
    return this.#asked(async () => {
      const { namespaceInfo, config } = await this.#describedNamespace();
      const seconds = config?.workflowExecutionRetentionTtl?.seconds;
      const { capabilities, limits } = namespaceInfo ?? {};
      return {
        retentionMs: seconds === undefined || seconds === null ? undefined : Number(seconds) * 1000,
        blobSizeLimitBytes: Number(limits?.blobSizeLimitError ?? 0),
        capabilities: Object.entries({ ...capabilities })
          .filter(([, has]) => has === true)
          .map(([name]) => name)
          .sort(),
      };
    });
  }

  searchAttributes(): Promise<ReadonlyMap<string, SearchAttributeKind>> {
    return this.#asked(async () => {
      try {
        const { customAttributes } = await this.#connection.operatorService.listSearchAttributes({
          namespace: this.#namespace,
        });
        return new Map(
          Object.entries(customAttributes ?? {}).map(([name, kind]) => [name, KINDS[kind] ?? 'Unknown']),
        );
      } catch (error) {
        if (!REFUSED.has(faultOf(error).status ?? '')) throw error;
        // The operator service is closed to us. The namespace itself names them, by columns such as `Keyword01`.
        const { config } = await this.#describedNamespace();
        return new Map(
          Object.entries(config?.customSearchAttributeAliases ?? {}).map(([column, name]) => [
            name,
            kindOfColumn(column),
          ]),
        );
      }
    });
  }

  addSearchAttributes(attributes: ReadonlyMap<string, SearchAttributeKind>): Promise<void> {
    return this.#asked(async () => {
      await this.#connection.operatorService.addSearchAttributes({
        namespace: this.#namespace,
        searchAttributes: Object.fromEntries(
          [...attributes].map(([name, kind]) => [name, KINDS.indexOf(kind)]),
        ),
      });
    });
  }

  taskQueue(name: string, kind: TaskKind): Promise<TaskQueueFacts> {
    const { TASK_QUEUE_TYPE_WORKFLOW, TASK_QUEUE_TYPE_ACTIVITY } = temporal.api.enums.v1.TaskQueueType;
    return this.#asked(async () => {
      const { pollers, stats, statsByPriorityKey } = await this.#client.workflowService.describeTaskQueue({
        namespace: this.#namespace,
        taskQueue: { name },
        taskQueueType: kind === 'workflow' ? TASK_QUEUE_TYPE_WORKFLOW : TASK_QUEUE_TYPE_ACTIVITY,
        reportStats: true,
      });
      return {
        pollers: (pollers ?? []).map(({ identity, lastAccessTime }) => ({
          identity: identity ?? '',
          lastSeenAt: Number(lastAccessTime?.seconds ?? 0) * 1000,
        })),
        backlog: Number(stats?.approximateBacklogCount ?? 0),
        // Rates stand here by priority on every server; only the counts tell how tasks are kept.
        backlogByPriority: new Map(
          Object.entries(statsByPriorityKey ?? {}).map(([key, one]) => [
            Number(key),
            Number(one.approximateBacklogCount ?? 0),
          ]),
        ),
      };
    });
  }

  startedFrom(topic: string, { notOn, limit }: StartedFromOptions): Promise<readonly StartedExecution[]> {
    const others = notOn.map((queue) => ` AND TaskQueue != ${quoted(queue)}`).join('');
    const query = `KtbRecord STARTS_WITH ${quoted(`${topic}/`)}${others}`;
    return this.#asked(async () => {
      const found: StartedExecution[] = [];
      for await (const { workflowId, memo } of this.#client.list({ query, pageSize: limit })) {
        found.push({
          workflowId,
          subscription: textIn(memo?.['subscription']),
          route: textIn(memo?.['route']),
          key: textIn(memo?.['key']),
        });
        if (found.length >= limit) break;
      }
      return found;
    });
  }

  startProbe({ workflowId, taskQueue, priorityKey }: Probe): Promise<string> {
    return this.#asked(async () => {
      const { runId } = await this.#client.workflowService.startWorkflowExecution({
        namespace: this.#namespace,
        workflowId,
        workflowType: { name: 'ktbProbe' },
        taskQueue: { name: taskQueue },
        identity: `ktb-doctor@${hostname()}:${process.pid}`,
        requestId: randomUUID(),
        priority: { priorityKey },
        // Whatever becomes of this process, the probe does not stay open.
        workflowExecutionTimeout: { seconds: 60 as never },
      });
      return runId ?? '';
    });
  }

  runOf(workflowId: string): Promise<string | undefined> {
    return this.#asked(async () => {
      try {
        const { workflowExecutionInfo } = await this.#client.workflowService.describeWorkflowExecution({
          namespace: this.#namespace,
          execution: { workflowId },
        });
        return workflowExecutionInfo?.execution?.runId ?? '';
      } catch (error) {
        if (faultOf(error).status === 'NOT_FOUND') return undefined;
        throw error;
      }
    });
  }

  removeProbe(workflowId: string, runId: string): Promise<void> {
    const execution = { namespace: this.#namespace, workflowExecution: { workflowId, runId } };
    const service = this.#client.workflowService;
    return this.#asked(async () => {
      try {
        // While it is open: the server then deletes it as it closes it, instead of when it comes round to it.
        await service.deleteWorkflowExecution(execution);
      } catch {
        await service.terminateWorkflowExecution({ ...execution, reason: 'ktb doctor has seen enough' });
      }
    });
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #describedNamespace() {
    return this.#client.workflowService.describeNamespace({ namespace: this.#namespace });
  }

  async #asked<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.#connection.withDeadline(Date.now() + CALL_TIMEOUT_MS, call);
    } catch (error) {
      throw faultOf(error);
    }
  }
}

function kindOfColumn(column: string): SearchAttributeKind {
  const name = /^[A-Za-z]+/.exec(column)?.[0];
  return KINDS.find((kind) => kind === name) ?? 'Unknown';
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A text in a visibility query. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
