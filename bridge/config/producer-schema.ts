import { BridgeError } from '../errors.js';
import { problemsOf } from './issues.js';
import {
  cleanText,
  fields,
  isHostAndPort,
  isObject,
  isText,
  milliseconds,
  oneOf,
  positive,
  rule,
  text,
} from './rules.js';

/** How Kafka is reached: what bridge and producer have in common. */
export const connection = {
  brokers: rule(
    'an array of `host:port`, not empty',
    (value) => Array.isArray(value) && value.length > 0 && value.every(isHostAndPort),
  ),
  clientId: cleanText.optional(),
  ssl: rule('true, false or an object', (value) => typeof value === 'boolean' || isObject(value)).optional(),
  sasl: rule(
    'an object with a `mechanism`',
    (value) => isObject(value) && isText(value['mechanism']),
  ).optional(),
};

const deadLetterSuffix = rule(
  "false, or 1 to 64 letters, digits, '.', '_' or '-'",
  (value) => value === false || (typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value)),
);

export const producer = fields({
  compression: oneOf('none', 'gzip', 'snappy', 'zstd').optional(),
  lingerMs: rule(
    'a whole number of milliseconds from 0 to 60000',
    (value) => Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= 60_000,
  ).optional(),
  batchBytes: positive.optional(),
  requestTimeoutMs: milliseconds.optional(),
  deliveryTimeoutMs: milliseconds.optional(),
  buffer: fields({ records: positive.optional(), bytes: positive.optional() }).optional(),
  mediumWaitMs: milliseconds.optional(),
  circuit: fields({ failures: positive.optional(), halfOpenAfterMs: milliseconds.optional() }).optional(),
  deadLetterSuffix: deadLetterSuffix.optional(),
  spill: fields({ dir: text, maxBytes: positive.optional() }).optional(),
});

const alone = fields({
  kafka: fields({ ...connection, groupId: cleanText.optional() }),
  producer: producer.optional(),
});

/** Of a configuration that has the producer's part only. @throws BridgeError `KTB_CONFIG` */
export function validateProducerConfig(config: unknown): void {
  const problems = problemsOf(config, alone);
  if (problems.length > 0) throw new BridgeError('KTB_CONFIG', problems.join('\n'));
}
