import { randomUUID } from 'node:crypto';
import type {
  InspectorPort,
  NamespaceFacts,
  Poller,
  Probe,
  SearchAttributeKind,
  ServerFacts,
  StartedExecution,
  StartedFromOptions,
  TaskKind,
  TaskQueueFacts,
} from '../../../bridge/temporal/inspector-port.js';
import { TemporalFault } from '../../../bridge/temporal/temporal-port.js';

/** A Temporal to be examined, in memory: also one as it can't be had here, on MySQL or in the Cloud. */
export class InspectorDouble implements InspectorPort {
  serverFacts: ServerFacts = { version: '1.32.1', persistence: 'sqlite' };
  namespaceFacts: NamespaceFacts = {
    retentionMs: 259_200_000,
    blobSizeLimitBytes: 2_097_152,
    capabilities: ['asyncUpdate', 'standaloneActivities'],
  };
  readonly attributes = new Map<string, SearchAttributeKind>();
  /** The gRPC status with which search attributes are not added. */
  addRefusedWith: string | undefined;
  /** As MySQL's default collation does. */
  caseBlind = false;
  maxIdBytes = 1000;
  /** As the old matcher does. */
  prioritiesIgnored = false;
  /** Every call fails so. */
  fault: TemporalFault | undefined;
  readonly pollers = new Map<string, readonly Poller[]>();
  readonly started: (StartedExecution & { readonly topic: string; readonly taskQueue: string })[] = [];
  readonly probes = new Map<string, Probe & { readonly runId: string }>();
  /** Whether a probe was ever started. */
  probed = false;

  async server(): Promise<ServerFacts> {
    this.#fail();
    return this.serverFacts;
  }

  async namespace(): Promise<NamespaceFacts> {
    this.#fail();
    return this.namespaceFacts;
  }

  async searchAttributes(): Promise<ReadonlyMap<string, SearchAttributeKind>> {
    this.#fail();
    return new Map(this.attributes);
  }

  async addSearchAttributes(attributes: ReadonlyMap<string, SearchAttributeKind>): Promise<void> {
    this.#fail();
    if (this.addRefusedWith !== undefined)
      throw new TemporalFault('systemic', 'Request unauthorized.', { status: this.addRefusedWith });
    for (const [name, kind] of attributes) this.attributes.set(name, kind);
  }

  async taskQueue(name: string, kind: TaskKind): Promise<TaskQueueFacts> {
    this.#fail();
    const waiting =
      kind === 'workflow' ? [...this.probes.values()].filter((one) => one.taskQueue === name) : [];
    const byPriority = new Map<number, number>();
    for (const { priorityKey } of waiting) {
      const key = this.prioritiesIgnored ? 3 : priorityKey;
      byPriority.set(key, (byPriority.get(key) ?? 0) + 1);
    }
    return {
      pollers: this.pollers.get(`${kind} ${name}`) ?? [],
      backlog: waiting.length,
      backlogByPriority: byPriority,
    };
  }

  async startedFrom(
    topic: string,
    { notOn, limit }: StartedFromOptions,
  ): Promise<readonly StartedExecution[]> {
    this.#fail();
    return this.started
      .filter((one) => one.topic === topic && !notOn.includes(one.taskQueue))
      .slice(0, limit)
      .map(({ workflowId, subscription, route, key }) => ({ workflowId, subscription, route, key }));
  }

  async startProbe(probe: Probe): Promise<string> {
    this.#fail();
    this.probed = true;
    if (Buffer.byteLength(probe.workflowId) > this.maxIdBytes) {
      const message = `WorkflowId exceeds maximum allowed length (${Buffer.byteLength(probe.workflowId)}/${this.maxIdBytes})`;
      throw new TemporalFault('rejected', message, { status: 'INVALID_ARGUMENT' });
    }
    const runId = randomUUID();
    this.probes.set(this.#id(probe.workflowId), { ...probe, runId });
    return runId;
  }

  async runOf(workflowId: string): Promise<string | undefined> {
    this.#fail();
    return this.probes.get(this.#id(workflowId))?.runId;
  }

  async removeProbe(workflowId: string): Promise<void> {
    this.#fail();
    this.probes.delete(this.#id(workflowId));
  }

  async close(): Promise<void> {}

  /** A worker that has just polled both kinds. */
  poll(queue: string, identity = '1@host', lastSeenAt = Date.now()): void {
    for (const kind of ['workflow', 'activity'] as const) {
      const key = `${kind} ${queue}`;
      this.pollers.set(key, [...(this.pollers.get(key) ?? []), { identity, lastSeenAt }]);
    }
  }

  #id(workflowId: string): string {
    return this.caseBlind ? workflowId.toLowerCase() : workflowId;
  }

  #fail(): void {
    if (this.fault !== undefined) throw this.fault;
  }
}
