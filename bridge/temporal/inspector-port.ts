/**
 * What `ktb doctor` and `ktb setup` ask of Temporal beside what a bridge needs. Adapters: `SdkInspectorPort` (the real
 * server) and, in tests, a double; one contract test runs against both. Every call throws a TemporalFault.
 */
export interface InspectorPort {
  server(): Promise<ServerFacts>;
  namespace(): Promise<NamespaceFacts>;
  /** The namespace's own, by name. */
  searchAttributes(): Promise<ReadonlyMap<string, SearchAttributeKind>>;
  addSearchAttributes(attributes: ReadonlyMap<string, SearchAttributeKind>): Promise<void>;
  taskQueue(name: string, kind: TaskKind): Promise<TaskQueueFacts>;
  /** Executions that bridges have started from a topic, newest first, as their memos say. */
  startedFrom(topic: string, options: StartedFromOptions): Promise<readonly StartedExecution[]>;
  /** Starts an execution that nobody will run; it ends by itself after a minute. @returns its run */
  startProbe(probe: Probe): Promise<string>;
  /** The run that an ID has, if any. */
  runOf(workflowId: string): Promise<string | undefined>;
  /** Ends and deletes an execution; where deleting is not allowed, it stays as a terminated one. */
  removeProbe(workflowId: string, runId: string): Promise<void>;
  close(): Promise<void>;
}

export interface ServerFacts {
  readonly version: string;
  /** As `mysql8`, `postgres12`, `sqlite`; undefined where the server keeps it to itself, as Cloud does. */
  readonly persistence: string | undefined;
}

export interface NamespaceFacts {
  readonly retentionMs: number | undefined;
  readonly blobSizeLimitBytes: number;
  /** The names of those that it has. */
  readonly capabilities: readonly string[];
}

/** As the command line and the UI call them. */
export type SearchAttributeKind =
  'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList' | 'Unknown';

export type TaskKind = 'workflow' | 'activity';

export interface TaskQueueFacts {
  readonly pollers: readonly Poller[];
  readonly backlog: number;
  /** Waiting tasks by priority key: 1 is the highest, 3 the default. */
  readonly backlogByPriority: ReadonlyMap<number, number>;
}

export interface Poller {
  readonly identity: string;
  /** Epoch milliseconds. Pollers are remembered for minutes after they have gone. */
  readonly lastSeenAt: number;
}

export interface StartedFromOptions {
  /** Executions on these task queues are left out. */
  readonly notOn: readonly string[];
  readonly limit: number;
}

/** What the memo of an execution says, as far as it says it. */
export interface StartedExecution {
  readonly workflowId: string;
  readonly subscription: string | undefined;
  readonly route: string | undefined;
  readonly key: string | undefined;
}

export interface Probe {
  readonly workflowId: string;
  readonly taskQueue: string;
  readonly priorityKey: number;
}
