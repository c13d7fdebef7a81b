/**
 * Kafka records become Temporal workflows, once each.
 *
 * @packageDocumentation
 */
import { Bridge, type BridgeOptions } from './bridge.js';
import type { ResolvedConfig } from './config/resolved.js';
import { asResolved } from './config/resolve.js';
import type { BridgeConfig } from './config/types.js';
import { BridgeClient, type BridgeClientOptions } from './operate/bridge-client.js';
import { examine, type DoctorOptions } from './operate/doctor.js';
import type { Finding } from './operate/doctor/finding.js';
import { registerSearchAttributes, type SetupResult } from './operate/setup.js';
import type { CreateProducerOptions, ProducerConfig } from './producer/producer-options.js';
import { Producer } from './producer/producer.js';
import { resolveProducerConfig } from './producer/resolve-config.js';
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
  return new Bridge(asResolved(config), options);
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
  return new BridgeWorker(asResolved(config), options);
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
  return new BridgeClient(asResolved(config), options);
}

/**
 * Registers the bridge's search attributes in the config's namespace. Again, it changes nothing. Where somebody else
 * must do it, as on Temporal Cloud, the result has the commands.
 *
 * @throws BridgeError `KTB_CONFIG`, `KTB_TEMPORAL`
 */
export async function setup(config: BridgeConfig<any, any> | ResolvedConfig): Promise<SetupResult> {
  return registerSearchAttributes(asResolved(config).temporal);
}

/**
 * Looks at everything that a bridge of this configuration needs and says what is wrong and what to do: a finding for
 * each check, the good ones too. What a server does is a finding, never an exception.
 *
 * @example
 * ```ts
 * const troubles = (await doctor(config)).filter(({ level }) => level === 'problem');
 * ```
 * @throws BridgeError `KTB_CONFIG`
 */
export async function doctor(
  config: BridgeConfig<any, any> | ResolvedConfig,
  options?: DoctorOptions,
): Promise<readonly Finding[]> {
  return examine(asResolved(config), options);
}

/**
 * A producer that loses and doubles nothing that it says is sent: acknowledged by all replicas, in order by partition,
 * each promise ends in exactly one way. Of a bridge's configuration it takes `kafka` and `producer`; those two alone
 * will do. Where there is a spill file, it begins at once to send what stands in it.
 *
 * @example
 * ```ts
 * await using producer = createProducer({ kafka: { brokers: ['localhost:9092'] } });
 * const { partition, offset } = await producer.sendEvent('orders', 'A-17', { total: 5 }, { 'event-type': 'order.placed' });
 * ```
 * @throws BridgeError `KTB_CONFIG`
 */
export function createProducer(
  config: ProducerConfig | BridgeConfig<any, any> | ResolvedConfig,
  options?: CreateProducerOptions,
): Producer {
  const producer = new Producer(resolveProducerConfig(config), options);
  producer.startIfSpilled();
  return producer;
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
  Compression,
  DecodeContext,
  DecodeFunction,
  DecoderOption,
  KafkaOptions,
  Priority,
  ProducerBufferOptions,
  ProducerCircuitOptions,
  ProducerOptions,
  QuarantineLimit,
  RetryOptions,
  Route,
  SchemaRegistryDecoder,
  SignalRoute,
  SpillOptions,
  StartOptions,
  TemporalOptions,
  UpdateRoute,
  WorkerSettings,
  WorkflowRoute,
} from './config/types.js';
export { kafkaBridge, type KafkaBridgeOptions, type KafkaBridgePlugin } from './plugin.js';
export { BridgeError, type BridgeErrorCode } from './errors.js';
export type { Bridge, BridgeOptions, BridgeStatus } from './bridge.js';
export type { CheckStatus, HealthCheck, HealthReport } from './observe/health.js';
export type { BridgePhase } from './observe/phase.js';
export type { BridgeWorker, BridgeWorkerOptions } from './worker.js';
export type { CloseOptions, Producer, ProducerStatus } from './producer/producer.js';
export type {
  CreateProducerOptions,
  EncodeFunction,
  EncoderOption,
  ProducerConfig,
  ProducerMessage,
  SchemaRegistryEncoder,
} from './producer/producer-options.js';
export type { EncodeContext } from './producer/encoders/encoder.js';
export type { HeaderValue, MessageHeaders } from './producer/headers.js';
export type { ProducerObserver } from './producer/observer.js';
export { producerMetrics, type ProducerMetrics } from './producer/producer-metrics.js';
export type { SentRecord } from './producer/outgoing.js';
export type { SendAllOptions, SendAllReport } from './producer/send-all.js';
export {
  SendError,
  type DeadLetterPlace,
  type DropReason,
  type SendErrorCode,
} from './producer/send-error.js';
export type { BridgeClient, BridgeClientOptions, ReplaySelector } from './operate/bridge-client.js';
export type { CapacityLook, CapacitySilence, Decision, QueueLook } from './operate/capacity.js';
export type {
  BridgeView,
  CapacitySettings,
  CapacityView,
  Decided,
  LimitOptions,
  WorkerView,
} from '../workflows/capacity/contract.js';
export type { PressureState } from './pressure/bridge-pressure.js';
export type { DeadLetter, DeadLetterFilter, ReasonGroup } from './operate/dead-letters.js';
export type { KafkaPlace, OffsetRange } from './intake/kafka-view.js';
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
} from './operate/replay-report.js';
export type {
  ReprocessOptions,
  ReprocessOutcome,
  ReprocessReport,
  ReprocessRequest,
} from './operate/reprocess.js';
export type { ReplayFrom } from './operate/reset-point.js';
export type { DoctorOptions } from './operate/doctor.js';
export type { CheckName, Finding, FindingLevel } from './operate/doctor/finding.js';
export type { SetupResult } from './operate/setup.js';
export type { Outcome } from './delivery/outcomes.js';
export { releaseCapacity, type HandlerCall } from '../activities/index.js';
export type {
  QuarantineInput,
  QuarantineReason,
  QuarantineDecision,
  RecordInfo,
} from '../workflows/contract.js';
