import { z } from 'zod';
import { BridgeError } from '../errors.js';
import { isJsonPointer } from '../intake/json-pointer.js';
import { OWN_PREFIX } from '../temporal/ids.js';
import { crossProblems } from './cross-problems.js';
import { alerts, capacity, demand, http, pressure, rate, requests, workflowTypes } from './flow-schema.js';
import { problemsOf } from './issues.js';
import { CODECS, connection, producer, registry } from './producer-schema.js';
import {
  aFunction,
  cleanText,
  duration,
  fields,
  isCleanText,
  isObject,
  isText,
  isTopicName,
  isWellFormed,
  listOf,
  age,
  milliseconds,
  object,
  oneOf,
  orFields,
  positive,
  rule,
  share,
  text,
  url,
} from './rules.js';
import type { BridgeConfig } from './types.js';

const decoder = orFields(
  "'json', 'text', 'bytes', 'cloudevents', a schema registry ({ type: 'schema-registry', url }) or a function",
  (value) => typeof value === 'function' || (typeof value === 'string' && CODECS.includes(value)),
  fields(registry),
);

const topic = rule(
  (value) =>
    typeof value === 'string'
      ? "a topic's name (1 to 249 letters, digits, '.', '_' or '-'); a pattern is a RegExp"
      : 'a string or a RegExp',
  (value) => value instanceof RegExp || isTopicName(value),
);

const pointer = rule("a JSON pointer: empty, or beginning with '/'", isJsonPointer);

const pointerOrFunction = rule(
  (value) =>
    typeof value === 'string'
      ? "a JSON pointer: empty, or beginning with '/'"
      : 'a JSON pointer or a function',
  (value) => typeof value === 'function' || isJsonPointer(value),
);

const eventType = rule(
  'a string or an array of strings, not empty',
  (value) => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText)),
);

const routeId = rule(
  `a string of at most 128 bytes, without control characters, not '${OWN_PREFIX.slice(0, -1)}' and not beginning with '${OWN_PREFIX}'`,
  (value) =>
    isCleanText(value) &&
    Buffer.byteLength(value) <= 128 &&
    !`${value}/`.startsWith(OWN_PREFIX) &&
    isWellFormed(value),
);

const idPrefix = rule(
  // Together with a key it must not be able to make an ID of ours either: `k` and `tb/capacity/...`.
  `a string of at most 64 bytes, without control characters, that neither begins with '${OWN_PREFIX}' nor is a beginning of it`,
  (value) =>
    value === '' ||
    (isCleanText(value) &&
      Buffer.byteLength(value) <= 64 &&
      isWellFormed(value) &&
      !value.startsWith(OWN_PREFIX) &&
      !OWN_PREFIX.startsWith(value)),
);

const retry = fields({
  maximumAttempts: rule(
    'a positive whole number or Infinity',
    (value) =>
      value === Infinity || (Number.isSafeInteger(value) && Number(value) > 0 && Number(value) < 2 ** 31),
  ).optional(),
  initialIntervalMs: milliseconds.optional(),
  maximumIntervalMs: milliseconds.optional(),
  backoffCoefficient: rule(
    'a number of at least 1',
    (value) => Number.isFinite(value) && Number(value) >= 1,
  ).optional(),
  nonRetryableErrors: listOf('an array of error names', isText).optional(),
});

const startOptions = fields({
  taskQueue: cleanText.optional(),
  workflowExecutionTimeout: duration.optional(),
  workflowRunTimeout: duration.optional(),
  workflowTaskTimeout: duration.optional(),
  memo: object.optional(),
  searchAttributes: object.optional(),
});

const route = fields({
  id: routeId.optional(),
  topic,
  eventType: eventType.optional(),
  eventTypeFrom: pointer.optional(),
  decoder: decoder.optional(),
  key: pointerOrFunction.optional(),
  filter: aFunction.optional(),
  notBefore: pointerOrFunction.optional(),
  maxAgeMs: age.optional(),
  onExpired: oneOf('count', 'quarantine').optional(),
  missingKey: oneOf('coordinates', 'quarantine').optional(),
  onConflict: oneOf('quarantine', 'duplicate').optional(),
  priority: oneOf('high', 'medium', 'low').optional(),
  fairnessKey: pointerOrFunction.optional(),
  maxInFlight: positive.optional(),
  rate: rate.optional(),
  demand: demand.optional(),
  conflate: oneOf('latest-by-key').optional(),
  deadLetterTopic: rule("true or a topic's name", (value) => value === true || isTopicName(value)).optional(),
  workflow: cleanText.optional(),
  activity: cleanText.optional(),
  signal: cleanText.optional(),
  update: cleanText.optional(),
  workflowId: pointerOrFunction.optional(),
  start: cleanText.optional(),
  waitForWorkflowMs: milliseconds.optional(),
  onClosed: oneOf('deadLetter', 'startNew').optional(),
  retry: retry.optional(),
  startToCloseTimeoutMs: milliseconds.optional(),
  scheduleToCloseTimeoutMs: milliseconds.optional(),
  heartbeatTimeoutMs: milliseconds.optional(),
  options: startOptions.optional(),
});

const quarantineLimit = fields({
  count: positive.optional(),
  share: share.optional(),
  window: positive.optional(),
});

const schema = fields({
  name: rule(
    "1 to 64 letters, digits, '.', '_' or '-'",
    (value) => typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value),
  ),
  idPrefix: idPrefix.optional(),
  kafka: fields({
    ...connection,
    groupId: cleanText,
    startFrom: oneOf('beginning', 'end').optional(),
    onLostRange: oneOf('continue', 'hold').optional(),
    sessionTimeoutMs: milliseconds.optional(),
    maxWaitTimeMs: milliseconds.optional(),
    commitIntervalMs: milliseconds.optional(),
  }),
  temporal: fields({
    address: text.optional(),
    namespace: text.optional(),
    taskQueue: cleanText,
    tls: rule(
      'true, false, null or an object',
      (value) => value === null || typeof value === 'boolean' || isObject(value),
    ).optional(),
    apiKey: text.optional(),
    dataConverter: object.optional(),
    requests: requests.optional(),
  }),
  worker: fields({
    workflowsPath: text.optional(),
    activities: rule(
      'a path or an object of functions',
      (value) => isText(value) || isObject(value),
    ).optional(),
    shutdownGraceTimeMs: milliseconds.optional(),
    options: object.optional(),
    ownOptions: object.optional(),
  }).optional(),
  routes: z.array(route, { error: 'an array of routes' }).min(1, { error: 'an array of at least one route' }),
  decoder: decoder.optional(),
  onUnrouted: oneOf('quarantine', 'ignore').optional(),
  buffer: fields({ records: positive.optional(), bytes: positive.optional() }).optional(),
  maxPollRecords: positive.optional(),
  maxConcurrentStarts: positive.optional(),
  maxBacklog: positive.optional(),
  capacity: capacity.optional(),
  workflowTypes: workflowTypes.optional(),
  pressure: pressure.optional(),
  http: http.optional(),
  alerts: alerts.optional(),
  producer: producer.optional(),
  quarantineLimit: orFields('false or an object', (value) => value === false, quarantineLimit).optional(),
  foreignLimit: positive.optional(),
  circuit: fields({ failures: positive.optional(), halfOpenAfterMs: milliseconds.optional() }).optional(),
  keySearchAttribute: oneOf('plain', 'hash', 'off').optional(),
  drainTimeoutMs: milliseconds.optional(),
  watchdogMs: milliseconds.optional(),
  uiUrl: url.optional(),
  logLevel: oneOf('debug', 'info', 'warn', 'error', 'silent').optional(),
});

/**
 * Says everything that is wrong with a configuration in one error, a line for each problem; the values under `sasl`,
 * `ssl`, `tls`, `apiKey` and `auth` are never shown. What comes back is the very object that was given: decoders, functions
 * and data converters keep their identity.
 *
 * @throws BridgeError `KTB_CONFIG`
 */
export function validateConfig(config: unknown): BridgeConfig {
  const problems = new Set([...problemsOf(config, schema), ...crossProblems(config)]);
  if (problems.size > 0) throw new BridgeError('KTB_CONFIG', [...problems].join('\n'));
  return config as BridgeConfig;
}
