import type { KafkaInspectorPort } from '../../../bridge/intake/kafka-inspector-port.js';

const away = () => Promise.reject(new Error('Connection error: connect ECONNREFUSED 127.0.0.1:9092'));

/** A Kafka that is away. */
export const AWAY_KAFKA: KafkaInspectorPort = {
  cluster: away,
  topics: away,
  logs: away,
  committed: away,
  group: away,
  groupIds: away,
  keepsForMs: away,
  positionsSince: away,
  close: async () => {},
};
