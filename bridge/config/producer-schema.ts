import { z } from 'zod';
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
  orFields,
  positive,
  rule,
  text,
  url,
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

/** The names of decoders, and of the encoders that mirror them. */
export const CODECS = ['json', 'text', 'bytes', 'cloudevents'];

/** A schema registry, for decoders and encoders. */
export const registry = {
  type: oneOf('schema-registry'),
  url,
  auth: fields({ username: text, password: text }).optional(),
  timeoutMs: milliseconds.optional(),
};

const encoder = orFields(
  "'json', 'text', 'bytes', 'cloudevents', a schema registry ({ type: 'schema-registry', url, schemaId }) or a function",
  (value) => typeof value === 'function' || (typeof value === 'string' && CODECS.includes(value)),
  fields({ ...registry, schemaId: positive }),
);

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
  encoder: encoder.optional(),
  encoders: z.record(z.string(), encoder, { error: 'an object of encoders, by topic' }).optional(),
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
