/**
 * Kafka records become Temporal workflows, once each.
 *
 * @packageDocumentation
 */
import { Bridge, type BridgeOptions } from './bridge.js';
import type { ResolvedConfig } from './config/resolved.js';
import { resolveConfig } from './config/resolve.js';
import type { BridgeConfig } from './config/types.js';
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
  SignalRoute,
  StartOptions,
  TemporalOptions,
  UpdateRoute,
  WorkerSettings,
  WorkflowRoute,
} from './config/types.js';
export { BridgeError, type BridgeErrorCode } from './errors.js';
export type { Bridge, BridgeOptions, BridgePhase, BridgeStatus } from './bridge.js';
export type { BridgeWorker, BridgeWorkerOptions } from './worker.js';
export type { Outcome } from './delivery/outcomes.js';
export type { HandlerCall } from '../activities/index.js';
export type { QuarantineInput, QuarantineReason, RecordInfo } from '../workflows/contract.js';
