import { InvalidArgumentError, Option } from 'commander';
import { DEFAULTS } from '../config/defaults.js';
import { producerOf, type ResolvedProducer } from '../config/resolve-producer.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { isHostAndPort } from '../config/rules.js';
import type { KafkaAccess } from '../intake/kafka-log.js';
import { createLogger, type Logger } from '../observe/logger.js';
import { configFrom, type ConfigFlags } from './command.js';

/** Options of a command that needs Kafka only. */
export interface KafkaFlags extends ConfigFlags {
  readonly brokers?: readonly string[];
}

export const brokersOption = () =>
  new Option(
    '--brokers <list>',
    "host:port, several separated by commas; instead of a configuration's, or without any",
  ).argParser(brokers);

/** What such a command works with. */
export interface KafkaParts {
  readonly kafka: KafkaAccess;
  readonly producer: ResolvedProducer;
  /** What a batch may unpack to. */
  readonly maxBatchBytes: number;
  /** Undefined: there are brokers only. */
  readonly config: ResolvedConfig | undefined;
  readonly logLevel: ResolvedConfig['logLevel'];
  readonly logger: Logger;
}

/** Brokers that are named need no configuration; with `--config` they stand in for its own. @throws BridgeError `KTB_CONFIG` */
export async function kafkaFrom(flags: KafkaFlags): Promise<KafkaParts> {
  const config =
    flags.brokers === undefined || flags.config !== undefined ? await configFrom(flags) : undefined;
  const logLevel = flags.logLevel ?? 'silent';
  const given: KafkaAccess = config?.kafka ?? {
    brokers: [],
    clientId: 'ktb',
    ssl: undefined,
    sasl: undefined,
  };
  return {
    kafka: flags.brokers === undefined ? given : { ...given, brokers: flags.brokers },
    producer: config?.producer ?? producerOf({}, process.cwd()),
    maxBatchBytes: (config?.buffer ?? DEFAULTS.buffer).bytes,
    config,
    logLevel,
    logger: createLogger({ name: 'ktb', level: logLevel }),
  };
}

function brokers(text: string): readonly string[] {
  const all = text.split(',').map((one) => one.trim());
  if (all.every(isHostAndPort)) return all;
  throw new InvalidArgumentError('Expected host:port, several separated by commas.');
}
