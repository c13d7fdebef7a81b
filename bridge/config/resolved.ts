import type { DataConverter } from '@temporalio/common';
import type { ActivityRouteOptions, RecordInfo, RetryShape } from '../../workflows/contract.js';
import type { ResolvedProducer } from './resolve-producer.js';
import type {
  AlertOptions,
  BufferOptions,
  CapacityOptions,
  CircuitOptions,
  DecoderOption,
  DemandOptions,
  GivenTime,
  HttpOptions,
  KafkaOptions,
  PressureOptions,
  Priority,
  QuarantineLimit,
  RateOptions,
  RequestBudget,
  StartOptions,
  TemporalOptions,
  WorkerSettings,
} from './types.js';

/** What a route starts, or sends a signal or an update to. */
export type RouteTarget =
  | {
      readonly kind: 'workflow';
      readonly workflow: string;
      readonly retry?: RetryShape;
      readonly options: StartOptions;
    }
  | {
      readonly kind: 'activity';
      readonly activity: ActivityRouteOptions;
      readonly options: StartOptions;
    }
  | {
      readonly kind: 'signal' | 'update';
      readonly name: string;
      readonly workflowId:
        string | ((event: unknown, record: RecordInfo) => string | number | null | undefined);
      readonly start: string | undefined;
      readonly waitForWorkflowMs: number;
      readonly onClosed: 'deadLetter' | 'startNew';
      readonly options: Omit<StartOptions, 'searchAttributes'>;
    };

/** Whether its records go to workflows that already run. */
export function isToTarget(
  target: RouteTarget,
): target is Extract<RouteTarget, { readonly kind: 'signal' | 'update' }> {
  return target.kind === 'signal' || target.kind === 'update';
}

/** A route with every default in place. */
export interface ResolvedRoute {
  readonly id: string;
  readonly topic: string | RegExp;
  /** `undefined` takes every type, also none. */
  readonly eventTypes: ReadonlySet<string> | undefined;
  readonly eventTypeFrom: string | undefined;
  readonly decoder: DecoderOption;
  readonly key: string | ((event: unknown, record: RecordInfo) => string | null | undefined) | undefined;
  readonly filter: ((event: unknown, record: RecordInfo) => boolean) | undefined;
  readonly notBefore: string | ((event: unknown, record: RecordInfo) => GivenTime) | undefined;
  readonly maxAgeMs: number | undefined;
  readonly onExpired: 'count' | 'quarantine';
  readonly missingKey: 'coordinates' | 'quarantine';
  readonly onConflict: 'quarantine' | 'duplicate';
  readonly priority: Priority;
  readonly fairnessKey:
    string | ((event: unknown, record: RecordInfo) => string | number | null | undefined) | undefined;
  readonly maxInFlight: number | undefined;
  readonly rate: Required<RateOptions> | undefined;
  readonly demand: Required<DemandOptions> | undefined;
  readonly conflate: 'latest-by-key' | undefined;
  /** `true`: the record's topic and `.dlq`. */
  readonly deadLetterTopic: true | string | undefined;
  readonly target: RouteTarget;
}

/** The configuration with every default and every override in place; validated once, and never again inside. */
export interface ResolvedConfig {
  readonly name: string;
  readonly idPrefix: string;
  /** Absolute: the folder that relative paths of the config start from. */
  readonly baseDir: string;
  /** Absolute, where the config came from a file. */
  readonly file: string | undefined;
  readonly kafka: Required<Omit<KafkaOptions, 'ssl' | 'sasl'>> & Pick<KafkaOptions, 'ssl' | 'sasl'>;
  readonly temporal: {
    readonly address: string;
    readonly namespace: string;
    readonly taskQueue: string;
    readonly tls: TemporalOptions['tls'];
    readonly apiKey: string | undefined;
    /** gRPC metadata from the profile, e.g. headers of a proxy. */
    readonly metadata: Readonly<Record<string, string>> | undefined;
    readonly dataConverter: DataConverter | undefined;
  };
  readonly worker: {
    /** Absolute. */
    readonly workflowsPath: string | undefined;
    /** An absolute path, or the functions. */
    readonly activities: WorkerSettings['activities'];
    readonly shutdownGraceTimeMs: number;
    readonly options: NonNullable<WorkerSettings['options']>;
    readonly ownOptions: NonNullable<WorkerSettings['ownOptions']>;
  };
  readonly routes: readonly ResolvedRoute[];
  readonly onUnrouted: 'quarantine' | 'ignore';
  readonly buffer: Required<BufferOptions>;
  readonly maxPollRecords: number;
  readonly maxConcurrentStarts: number;
  readonly maxBacklog: number;
  readonly capacity: Required<CapacityOptions>;
  /** What records may cost in calls of Temporal. */
  readonly requests: Required<RequestBudget> | undefined;
  /** Executions in work, by workflow type. */
  readonly maxInFlightByType: ReadonlyMap<string, number>;
  readonly pressure: Required<PressureOptions>;
  /** `undefined`: nothing is served. */
  readonly http: Required<HttpOptions> | undefined;
  readonly alerts: Required<Omit<AlertOptions, 'webhook'>> & Pick<AlertOptions, 'webhook'>;
  readonly producer: ResolvedProducer;
  /** `undefined`: no limit. */
  readonly quarantineLimit: Required<QuarantineLimit> | undefined;
  readonly foreignLimit: number;
  readonly circuit: Required<CircuitOptions>;
  readonly keySearchAttribute: 'plain' | 'hash' | 'off';
  readonly drainTimeoutMs: number;
  readonly watchdogMs: number;
  readonly uiUrl: string | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}
