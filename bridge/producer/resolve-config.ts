import { producerOf, type ResolvedProducer } from '../config/resolve-producer.js';
import type { ResolvedConfig } from '../config/resolved.js';
import { asResolved, brokersFrom } from '../config/resolve.js';
import { validateProducerConfig } from '../config/producer-schema.js';
import type { BridgeConfig } from '../config/types.js';
import type { ProducerConfig } from './producer-options.js';

export interface ResolvedProducerConfig {
  readonly kafka: Pick<ResolvedConfig['kafka'], 'brokers' | 'clientId' | 'ssl' | 'sasl'>;
  readonly producer: ResolvedProducer;
  readonly logLevel: ResolvedConfig['logLevel'];
}

/** A bridge's configuration, resolved or not, or the producer's part alone. @throws BridgeError `KTB_CONFIG` */
export function resolveProducerConfig(
  config: ProducerConfig | BridgeConfig<any, any> | ResolvedConfig,
): ResolvedProducerConfig {
  if ('baseDir' in config || 'routes' in config) return asResolved(config);
  validateProducerConfig(config);
  const { brokers, clientId = 'ktb-producer', ssl, sasl } = config.kafka;
  return {
    kafka: { brokers: brokersFrom(process.env) ?? [...brokers], clientId, ssl, sasl },
    producer: producerOf(config.producer, process.cwd()),
    logLevel: 'info',
  };
}
