import { Kafka, logLevel, type LogEntry } from 'kafkajs';
import type { ResolvedConfig } from '../config/resolved.js';
import type { Logger } from '../observe/logger.js';

/** For each call of the client; an outage is waited out by who called. Set explicitly: NODE_ENV=test changes kafkajs's own. */
const CLIENT_RETRY = { initialRetryTime: 200, maxRetryTime: 2_000, retries: 3 };

const LEVELS = new Map<number, 'debug' | 'warn' | 'error'>([
  [logLevel.ERROR, 'debug'],
  [logLevel.WARN, 'debug'],
]);

export interface KafkaClientOptions {
  /** @default 12000 */
  readonly requestTimeoutMs?: number;
  /** kafkajs's own, for each call. */
  readonly retry?: {
    readonly initialRetryTime: number;
    readonly maxRetryTime: number;
    readonly retries: number;
  };
}

/** kafkajs's own client, with the settings that held under faults; its log goes to ours, at debug. */
export function kafkaClient(
  kafka: Pick<ResolvedConfig['kafka'], 'brokers' | 'clientId' | 'ssl' | 'sasl'>,
  logger: Logger,
  { requestTimeoutMs = 12_000, retry = CLIENT_RETRY }: KafkaClientOptions = {},
): Kafka {
  return new Kafka({
    brokers: [...kafka.brokers],
    clientId: kafka.clientId,
    ...(kafka.ssl === undefined ? {} : { ssl: kafka.ssl }),
    ...(kafka.sasl === undefined ? {} : { sasl: kafka.sasl }),
    connectionTimeout: Math.min(3_000, requestTimeoutMs),
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    retry,
    logLevel: logLevel.WARN,
    logCreator: () => (entry: LogEntry) => {
      const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...rest } = entry.log;
      logger[LEVELS.get(entry.level) ?? 'debug']({ kafkajs: rest }, message);
    },
  } as ConstructorParameters<typeof Kafka>[0]);
}
