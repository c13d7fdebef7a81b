/**
 * Kafka records become Temporal workflows, once each.
 *
 * @packageDocumentation
 */
import { Bridge, type BridgeOptions } from './bridge.js';
import type { ResolvedConfig } from './config/resolved.js';
import { resolveConfig } from './config/resolve.js';
import type { BridgeConfig } from './config/types.js';
import { BridgeClient, type BridgeClientOptions } from './operate/bridge-client.js';
import { BridgeWorker, type BridgeWorkerOptions } from './worker.js';

/**
 * A bridge for a configuration, or for one that {@link loadConfig} found. Nothing is connected before `start()`.
 *
 * @example
 * ```ts
 * const bridge = createBridge(config);
 * await bridge.start();
 * process.once('SIGTERM', () => void bridge.close());
 * ```
 * @throws BridgeError `KTB_CONFIG`
 */
export function createBridge(
  config: BridgeConfig<any, any> | ResolvedConfig,
  options?: BridgeOptions,
): Bridge {
  return new Bridge(resolved(config), options);
}

/**
 * A worker for a configuration: the user's workflows and activities, and ours. Nothing is connected before `start()`.
 *
 * @example
 * ```ts
 * const worker = createWorker(config);
 * await worker.start();
 * await worker.finished();
 * ```
 * @throws BridgeError `KTB_CONFIG`
 */
export function createWorker(
  config: BridgeConfig<any, any> | ResolvedConfig,
  options?: BridgeWorkerOptions,
): BridgeWorker {
  return new BridgeWorker(resolved(config), options);
}

/**
 * A client for a configuration: status by key, dead letters, replay, quarantine, reprocessing. It connects when it is
 * first asked.
 *
 * @example
 * ```ts
 * await using client = createBridgeClient(await loadConfig());
 * console.log((await client.status('order-17')).state);
 * ```
 * @throws BridgeError `KTB_CONFIG`
 */
export function createBridgeClient(
  config: BridgeConfig<any, any> | ResolvedConfig,
  options?: BridgeClientOptions,
): BridgeClient {
  return new BridgeClient(resolved(config), options);
}

function resolved(config: BridgeConfig<any, any> | ResolvedConfig): ResolvedConfig {
  return 'baseDir' in config ? config : resolveConfig(config, { baseDir: process.cwd() });
}

export { defineConfig } from './config/define-config.js';
export { loadConfig, type LoadOptions } from './config/load.js';
export { resolveConfig, type ResolveOptions } from './config/resolve.js';
export type { ResolvedConfig, ResolvedRoute, RouteTarget } from './config/resolved.js';
export type {
  ActivityRoute,
  BridgeConfig,
  BufferOptions,
  CircuitOptions,
  DecodeContext,
  DecodeFunction,
  DecoderOption,
  KafkaOptions,
  Priority,
  QuarantineLimit,
  RetryOptions,
  Route,
  SchemaRegistryDecoder,
  StartOptions,
  TemporalOptions,
  WorkerSettings,
  WorkflowRoute,
} from './config/types.js';
export { BridgeError, type BridgeErrorCode } from './errors.js';
export type { Bridge, BridgeOptions, BridgePhase, BridgeStatus } from './bridge.js';
export type { BridgeWorker, BridgeWorkerOptions } from './worker.js';
export type { BridgeClient, BridgeClientOptions, ReplaySelector } from './operate/bridge-client.js';
export type { DeadLetter, DeadLetterFilter, ReasonGroup } from './operate/dead-letters.js';
export type { KafkaPlace, OffsetRange } from './operate/kafka-view.js';
export type {
  QuarantinedDetail,
  QuarantinedRecord,
  QuarantineFilter,
  ResolveAction,
  ResolutionOptions,
} from './operate/quarantine.js';
export type { RecordState, RecordStatus } from './operate/record-status.js';
export type {
  ReplayedRecord,
  ReplayEntry,
  ReplayOptions,
  ReplayPlan,
  ReplayProgress,
  ReplayReadiness,
  ReplayReport,
} from './operate/replay.js';
export type {
  ReprocessOptions,
  ReprocessOutcome,
  ReprocessReport,
  ReprocessRequest,
} from './operate/reprocess.js';
export type { ReplayFrom } from './operate/reset-point.js';
export type { Outcome } from './delivery/outcomes.js';
export type { HandlerCall } from '../activities/index.js';
export type {
  QuarantineInput,
  QuarantineReason,
  QuarantineDecision,
  RecordInfo,
} from '../workflows/contract.js';
