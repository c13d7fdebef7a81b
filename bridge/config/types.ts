import type { ConnectionOptions } from '@temporalio/client';
import type { DataConverter, TypedSearchAttributes, Duration } from '@temporalio/common';
import type { WorkerOptions } from '@temporalio/worker';
import type { KafkaConfig } from 'kafkajs';
import type { RecordInfo } from '../../workflows/contract.js';
import type { RawHeaders } from '../record.js';
import type {
  AlertOptions,
  CapacityOptions,
  DemandOptions,
  HttpOptions,
  PressureOptions,
  RateOptions,
  RequestBudget,
  WorkflowTypeOptions,
} from './flow-types.js';
import type { ProducerOptions } from './producer-types.js';

export type * from './flow-types.js';
export type * from './producer-types.js';

/** The names that a module exports, or any string where no module is given. */
export type NameIn<T> = unknown extends T ? string : Extract<keyof T, string>;

/** What a decoder is told. `value` is never null: a tombstone reaches handlers as `null`, undecoded. */
export interface DecodeContext {
  readonly topic: string;
  readonly partition: number;
  readonly headers: RawHeaders;
  readonly key: Buffer | null;
}

/** Bytes to event. What it throws is the record's own fault (poison), except a `BridgeError` with `retryable`. */
export type DecodeFunction = (value: Buffer, context: DecodeContext) => unknown;

/** A Confluent schema registry: Avro, JSON Schema and Protobuf by the wire format's schema ID. */
export interface SchemaRegistryDecoder {
  readonly type: 'schema-registry';
  /** The registry's URL. */
  readonly url: string;
  readonly auth?: { readonly username: string; readonly password: string };
  /** @default 5000 */
  readonly timeoutMs?: number;
}

export type DecoderOption =
  'json' | 'text' | 'bytes' | 'cloudevents' | SchemaRegistryDecoder | DecodeFunction;

/** Retries of a handler. Endless retries must be asked for: `maximumAttempts: Infinity`. */
export interface RetryOptions {
  /** Calls in all, the first one included. @default 10 */
  readonly maximumAttempts?: number;
  /** @default 1000 */
  readonly initialIntervalMs?: number;
  /** @default 60000 */
  readonly maximumIntervalMs?: number;
  /** @default 2 */
  readonly backoffCoefficient?: number;
  /** Names of error types that are not worth a retry. @default [] */
  readonly nonRetryableErrors?: readonly string[];
}

/** Options of the started workflow that a route passes through to Temporal. */
export interface StartOptions {
  /** Another task queue than the config's; a worker must poll it. */
  readonly taskQueue?: string;
  readonly workflowExecutionTimeout?: Duration;
  readonly workflowRunTimeout?: Duration;
  readonly workflowTaskTimeout?: Duration;
  /** Stands beside the bridge's own memo fields. */
  readonly memo?: Readonly<Record<string, unknown>>;
  readonly searchAttributes?: TypedSearchAttributes;
}

export type Priority = 'high' | 'medium' | 'low';

/** Epoch milliseconds, or ISO 8601; what is empty is at once. */
export type GivenTime = number | string | Date | null | undefined;

interface RouteBase {
  /** Part of IDs, so never to be changed. @default topic and event type, as in `orders:order.placed` */
  readonly id?: string;
  /** A topic's name, or a pattern that matches the whole name: topics that are made later are found too. */
  readonly topic: string | RegExp;
  /** The event types that this route takes. @default every one */
  readonly eventType?: string | readonly string[];
  /** A JSON pointer to the event type in the value. @default header `event-type`, else CloudEvents `ce_type` or `type` */
  readonly eventTypeFrom?: string;
  /** @default the config's `decoder` */
  readonly decoder?: DecoderOption;
  /** The idempotency key: a JSON pointer into the event, or a function. @default header `idempotency-key`, else a CloudEvent's source and id */
  readonly key?: string | ((event: any, record: RecordInfo) => string | null | undefined);
  /** `false` passes the record by, counted as `filtered`. */
  readonly filter?: (event: any, record: RecordInfo) => boolean;
  /**
   * When the execution begins: epoch milliseconds, or ISO 8601 with its offset; past is at once, and more than 366 days
   * ahead is quarantined. A JSON pointer into the event, or a function. @default header `not-before`
   */
  readonly notBefore?: string | ((event: any, record: RecordInfo) => GivenTime);
  /** A record that is older when it is read (counted from its `not-before`, where that is later) starts nothing. @default none */
  readonly maxAgeMs?: number;
  /** What happens to a record that is older than `maxAgeMs`: it is only counted, or quarantined. @default 'count' */
  readonly onExpired?: 'count' | 'quarantine';
  /** What happens to a record without a key: its coordinates stand in for it, or it is quarantined. @default 'coordinates' */
  readonly missingKey?: 'coordinates' | 'quarantine';
  /** What happens to the same key with another value. @default 'quarantine' */
  readonly onConflict?: 'quarantine' | 'duplicate';
  /** Where the record has no header `priority`. @default 'medium' */
  readonly priority?: Priority;
  /** Whose record it is (a tenant), for a fair share: a JSON pointer into the event, or a function. @default header `fairness-key` */
  readonly fairnessKey?: string | ((event: any, record: RecordInfo) => string | number | null | undefined);
  /** Records of this route in work, in all bridges together. @default none */
  readonly maxInFlight?: number;
  /** How fast its records are started. @default none */
  readonly rate?: RateOptions;
  /** What it holds between mapping and start. @default none */
  readonly demand?: DemandOptions;
  /** Of records with the same record key that wait here only the latest is started, the others are `conflated`. @default none */
  readonly conflate?: 'latest-by-key';
  /** Where its dead letters are published as well: `true` is `<topic>.dlq`. @default none */
  readonly deadLetterTopic?: true | string;
}

/** Starts the workflow with `(event, record)`. */
export interface WorkflowRoute<W = unknown> extends RouteBase {
  readonly workflow: NameIn<W>;
  readonly activity?: never;
  readonly signal?: never;
  readonly update?: never;
  /** Retries of the whole workflow, as Temporal's workflow retry policy. @default none: its activities have their own */
  readonly retry?: RetryOptions;
  readonly options?: StartOptions;
}

/** Runs the activity with `(event, record)` in a workflow of ours: the shortest way to call a function once per event. */
export interface ActivityRoute<A = unknown> extends RouteBase {
  readonly activity: NameIn<A>;
  readonly workflow?: never;
  readonly signal?: never;
  readonly update?: never;
  readonly retry?: RetryOptions;
  /** How long one call may take. @default 60000 */
  readonly startToCloseTimeoutMs?: number;
  /** How long all calls together may take, with what they wait. @default none */
  readonly scheduleToCloseTimeoutMs?: number;
  /** After how long without a sign of life a call is repeated elsewhere; heartbeats are sent for you. @default 30000 */
  readonly heartbeatTimeoutMs?: number;
  readonly options?: Omit<StartOptions, 'taskQueue'>;
}

/** What signal and update routes have in common. Neither may be delayed: it would hold its target's later events. */
interface TargetRouteBase<W = unknown> extends Omit<RouteBase, 'notBefore'> {
  readonly workflow?: never;
  readonly activity?: never;
  readonly notBefore?: never;
  /** Whom it goes to: a JSON pointer into the event, or a function. The ID is taken verbatim, without `idPrefix`. */
  readonly workflowId: string | ((event: any, record: RecordInfo) => string | number | null | undefined);
  /** The workflow that is started with it, with `(event, record)`, where there is none. @default none */
  readonly start?: NameIn<W>;
  /** Without `start`: how long a workflow that is missing is waited for. @default 60000 */
  readonly waitForWorkflowMs?: number;
  /** What happens where the workflow has closed; `'startNew'` needs `start`. @default 'deadLetter' */
  readonly onClosed?: 'deadLetter' | 'startNew';
  /** Of what `start` starts. */
  readonly options?: Omit<StartOptions, 'searchAttributes'>;
}

/** Sends the signal, with `(event, record)`, to a workflow that already runs. */
export interface SignalRoute<W = unknown> extends TargetRouteBase<W> {
  readonly signal: string;
  readonly update?: never;
}

/** Sends the update, with `(event, record)`, to a workflow that already runs, and waits for its result. */
export interface UpdateRoute<W = unknown> extends TargetRouteBase<W> {
  readonly update: string;
  readonly signal?: never;
}

export type Route<W = unknown, A = unknown> =
  WorkflowRoute<W> | ActivityRoute<A> | SignalRoute<W> | UpdateRoute<W>;

export interface KafkaOptions {
  /** `host:port`. The environment variable `KAFKA_BROKERS` (comma separated) overrides it. */
  readonly brokers: readonly string[];
  readonly groupId: string;
  /** @default 'ktb-<name>' */
  readonly clientId?: string;
  /** As in kafkajs. @default no TLS */
  readonly ssl?: KafkaConfig['ssl'];
  /** As in kafkajs. @default no authentication */
  readonly sasl?: KafkaConfig['sasl'];
  /** Where a new group begins. @default 'beginning' */
  readonly startFrom?: 'beginning' | 'end';
  /** What happens when retention outran the group: say so and go on, or hold the partition. @default 'continue' */
  readonly onLostRange?: 'continue' | 'hold';
  /** @default 30000 */
  readonly sessionTimeoutMs?: number;
  /** How long a fetch may wait for records; also the latency of a resume. @default 400 */
  readonly maxWaitTimeMs?: number;
  /** How often settled offsets are committed. @default 250 */
  readonly commitIntervalMs?: number;
}

export interface TemporalOptions {
  /** `host:port`. `TEMPORAL_ADDRESS` and the profile file override it. @default 'localhost:7233' */
  readonly address?: string;
  /** @default 'default' */
  readonly namespace?: string;
  readonly taskQueue: string;
  /** As in `@temporalio/client`. @default none, or system CAs where `apiKey` is given */
  readonly tls?: ConnectionOptions['tls'];
  readonly apiKey?: string;
  /** Used alike by bridge, worker, command line and quarantine. */
  readonly dataConverter?: DataConverter;
  /** How many calls a second the bridge makes for records. @default none */
  readonly requests?: RequestBudget;
}

/** What may be tuned of our worker; the rest is the bridge's business. */
type OwnWorkerSettings = Partial<
  Omit<
    WorkerOptions,
    'connection' | 'namespace' | 'taskQueue' | 'workflowsPath' | 'workflowBundle' | 'activities' | 'plugins'
  >
>;

export interface WorkerSettings {
  /** A path from the config file, without or with the ending. */
  readonly workflowsPath?: string;
  /** A path from the config file, or the functions themselves. */
  readonly activities?: string | Readonly<Record<string, (...args: any[]) => any>>;
  /** What running calls get to finish in when the worker stops. @default 20000 */
  readonly shutdownGraceTimeMs?: number;
  /** Passed through to Temporal's worker, e.g. `maxConcurrentActivityTaskExecutions`, `workerDeploymentOptions`. */
  readonly options?: Partial<WorkerOptions>;
  /** The same for our worker, on `<taskQueue>-ktb`: how many calls of activity routes run at a time, e.g. */
  readonly ownOptions?: OwnWorkerSettings;
}

export interface BufferOptions {
  /** Records that the bridge holds at most. @default 1000 */
  readonly records?: number;
  /** Bytes of keys, values and headers that the bridge holds at most. @default 33554432 */
  readonly bytes?: number;
}

export interface QuarantineLimit {
  /** More than so many quarantined … @default 50 */
  readonly count?: number;
  /** … and more than this share … @default 0.2 */
  readonly share?: number;
  /** … of the last so many records of a topic and route hold the route. @default 500 */
  readonly window?: number;
}

export interface CircuitOptions {
  /** Failures in a row that open it. @default 5 */
  readonly failures?: number;
  /** After how long one call is let through again. @default 10000 */
  readonly halfOpenAfterMs?: number;
}

/** The configuration of a bridge and its workers: what `temporal.config.ts` exports. */
export interface BridgeConfig<W = unknown, A = unknown> {
  /** The subscription: part of IDs, never changed. Letters, digits, `.`, `_` and `-`, at most 64. */
  readonly name: string;
  /** Stands before every key's workflow ID. Two subscriptions of one topic in one namespace need different ones. @default '' */
  readonly idPrefix?: string;
  readonly kafka: KafkaOptions;
  readonly temporal: TemporalOptions;
  readonly worker?: WorkerSettings;
  readonly routes: readonly Route<W, A>[];
  /** @default 'json' */
  readonly decoder?: DecoderOption;
  /** What happens to an event that no route takes. @default 'quarantine' */
  readonly onUnrouted?: 'quarantine' | 'ignore';
  readonly buffer?: BufferOptions;
  /** Records taken from a partition at a time. @default 100 */
  readonly maxPollRecords?: number;
  /** Starts under way at the same time. @default 100 */
  readonly maxConcurrentStarts?: number;
  /** Tasks waiting in both task queues over which intake pauses; it resumes at half. @default 1000 */
  readonly maxBacklog?: number;
  /** What the workers can take. */
  readonly capacity?: CapacityOptions;
  /** By workflow type. @default {} */
  readonly workflowTypes?: Readonly<Record<string, WorkflowTypeOptions>>;
  readonly pressure?: PressureOptions;
  /** Where probes and metrics are served. @default nowhere */
  readonly http?: HttpOptions;
  readonly alerts?: AlertOptions;
  /** How `createProducer` sends. */
  readonly producer?: ProducerOptions;
  readonly quarantineLimit?: QuarantineLimit | false;
  /** Foreign keys in a row that hold a route. @default 20 */
  readonly foreignLimit?: number;
  readonly circuit?: CircuitOptions;
  /** How the key stands in the search attribute `KtbKey`. @default 'plain' */
  readonly keySearchAttribute?: 'plain' | 'hash' | 'off';
  /** @default 30000 */
  readonly drainTimeoutMs?: number;
  /** After how long without a record, while lag grows, the consumer is rebuilt. @default 60000 */
  readonly watchdogMs?: number;
  /** Where the UI is, for links. The environment variable `KTB_UI_URL` overrides it. @default none */
  readonly uiUrl?: string;
  /** @default 'info' */
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}
