/** The clients of a bridge's stages: the real ones, where no others are given. */
import type { Registry } from 'prom-client';
import { DEFAULTS } from './config/defaults.js';
import { fingerprintOf } from './config/fingerprint.js';
import type { ResolvedConfig } from './config/resolved.js';
import { publishesDeadLetters, type DeadLetterPorts } from './dead-letters/dead-letter-publisher.js';
import { KafkaLookup } from './intake/kafka-lookup.js';
import { KafkaSource } from './intake/kafka-source.js';
import { topicsOf } from './intake/record-mapper.js';
import type { RecordSource } from './intake/record-source.js';
import type { Logger } from './observe/logger.js';
import { Producer } from './producer/producer.js';
import type { CapacityPort } from './temporal/capacity-port.js';
import { SdkCapacityPort } from './temporal/sdk-capacity-port.js';
import { SdkCursorPort } from './temporal/sdk-cursor-port.js';
import { SdkOperatorPort } from './temporal/sdk-operator-port.js';
import { SdkTemporalPort } from './temporal/sdk-temporal-port.js';
import type { TemporalPort } from './temporal/temporal-port.js';

/** Ports to use instead of the real ones. */
export interface BridgePorts {
  readonly source?: RecordSource;
  readonly temporal?: TemporalPort;
  readonly capacity?: CapacityPort;
  readonly deadLetters?: DeadLetterPorts;
}

/** What the stages speak to. */
export interface BridgeClients {
  readonly source: RecordSource;
  readonly temporal: TemporalPort;
  /** Undefined where no worker is asked. */
  readonly capacity: CapacityPort | undefined;
  /** Undefined where no route publishes its dead letters. */
  readonly deadLetters: DeadLetterPorts | undefined;
}

export function clientsOf(
  config: ResolvedConfig,
  ports: BridgePorts,
  logger: Logger,
  metrics: Registry,
): BridgeClients {
  return {
    source: ports.source ?? kafkaSource(config, logger),
    temporal: ports.temporal ?? new SdkTemporalPort(config.temporal),
    capacity: capacityPort(config, ports),
    deadLetters: deadLetterPorts(config, ports, logger, metrics),
  };
}

/** A Temporal that is no server has no capacity workflow either. */
function capacityPort(config: ResolvedConfig, ports: BridgePorts): CapacityPort | undefined {
  if (ports.capacity !== undefined) return ports.capacity;
  if (config.capacity.limit === 'off' || ports.temporal !== undefined) return undefined;
  return new SdkCapacityPort(config.temporal);
}

/** Where Temporal is no server its dead letters stand nowhere. */
function deadLetterPorts(
  config: ResolvedConfig,
  ports: BridgePorts,
  logger: Logger,
  metrics: Registry,
): DeadLetterPorts | undefined {
  if (!publishesDeadLetters(config)) return undefined;
  if (ports.deadLetters !== undefined || ports.temporal !== undefined) return ports.deadLetters;
  const { kafka, producer, logLevel } = config;
  return {
    operator: new SdkOperatorPort(config.temporal),
    cursor: new SdkCursorPort(config),
    lookup: new KafkaLookup(config, logger),
    // A send ends in the log or not at all: a spill file is its owner's, and what can't be sent is looked for again.
    producer: new Producer(
      {
        kafka,
        producer: {
          ...producer,
          deadLetterSuffix: false,
          spill: undefined,
          buffer: DEFAULTS.producer.buffer,
        },
        logLevel,
      },
      { metrics },
      { logger },
    ),
  };
}

function kafkaSource(config: ResolvedConfig, logger: Logger): KafkaSource {
  return new KafkaSource({
    mark: {
      name: config.name,
      idPrefix: config.idPrefix,
      namespace: config.temporal.namespace,
      fingerprint: fingerprintOf(config),
    },
    kafka: config.kafka,
    topics: topicsOf(config.routes),
    maxBatchBytes: config.buffer.bytes,
    logger,
  });
}
