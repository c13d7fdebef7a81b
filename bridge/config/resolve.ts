import path from 'node:path';
import { BridgeError } from '../errors.js';
import { OWN_PREFIX } from '../temporal/ids.js';
import { DEFAULTS } from './defaults.js';
import { deepFreeze } from './freeze.js';
import { shown } from './problems.js';
import type { ResolvedConfig } from './resolved.js';
import { flowOf } from './resolve-flow.js';
import { producerOf } from './resolve-producer.js';
import { resolveRoutes } from './resolve-routes.js';
import { isHostAndPort } from './rules.js';
import { validateConfig } from './schema.js';
import { readTemporalProfile } from './temporal-profile.js';
import type { BridgeConfig } from './types.js';
import { withDefaults } from './with-defaults.js';

export { overlappingRoutes } from './overlapping-routes.js';

export interface ResolveOptions {
  /** The folder that relative paths start from. */
  readonly baseDir: string;
  /** The config's file, where it came from one. */
  readonly file?: string;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Validates a config and puts every default and every override in place: `KAFKA_BROKERS`, Temporal's standard variables
 * and its profile file. What comes back is frozen, but for what is the user's own: functions, data converter, TLS and
 * SASL settings, activities.
 *
 * @throws BridgeError `KTB_CONFIG`
 */
export function resolveConfig<W = unknown, A = unknown>(
  config: BridgeConfig<W, A>,
  options: ResolveOptions,
): ResolvedConfig {
  const { env = process.env } = options;
  const valid = validateConfig(config);
  const baseDir = path.resolve(options.baseDir);
  const routes = resolveRoutes(valid);
  const own = routes.findIndex((route) => `${route.id}/`.startsWith(OWN_PREFIX));
  if (own >= 0) {
    throw new BridgeError(
      'KTB_CONFIG',
      `Expected \`routes[${own}].id\` to be given: its default, ${shown(routes[own]!.id)}, could forge the bridge's own IDs`,
    );
  }
  const { name } = valid;
  const resolved: ResolvedConfig = {
    name,
    idPrefix: valid.idPrefix ?? DEFAULTS.idPrefix,
    baseDir,
    file: options.file === undefined ? undefined : path.resolve(options.file),
    kafka: {
      brokers: brokersFrom(env) ?? [...valid.kafka.brokers],
      groupId: valid.kafka.groupId,
      clientId: valid.kafka.clientId ?? `ktb-${name}`,
      ssl: valid.kafka.ssl,
      sasl: valid.kafka.sasl,
      startFrom: valid.kafka.startFrom ?? DEFAULTS.kafka.startFrom,
      onLostRange: valid.kafka.onLostRange ?? DEFAULTS.kafka.onLostRange,
      sessionTimeoutMs: valid.kafka.sessionTimeoutMs ?? DEFAULTS.kafka.sessionTimeoutMs,
      maxWaitTimeMs: valid.kafka.maxWaitTimeMs ?? DEFAULTS.kafka.maxWaitTimeMs,
      commitIntervalMs: valid.kafka.commitIntervalMs ?? DEFAULTS.kafka.commitIntervalMs,
    },
    temporal: resolveTemporal(valid.temporal, env),
    worker: resolveWorker(valid.worker ?? {}, baseDir),
    routes,
    onUnrouted: valid.onUnrouted ?? DEFAULTS.onUnrouted,
    buffer: withDefaults<ResolvedConfig['buffer']>(DEFAULTS.buffer, valid.buffer),
    maxPollRecords: valid.maxPollRecords ?? DEFAULTS.maxPollRecords,
    maxConcurrentStarts: valid.maxConcurrentStarts ?? DEFAULTS.maxConcurrentStarts,
    maxBacklog: valid.maxBacklog ?? DEFAULTS.maxBacklog,
    ...flowOf(valid),
    producer: producerOf(valid.producer, baseDir),
    quarantineLimit:
      valid.quarantineLimit === false
        ? undefined
        : withDefaults<NonNullable<ResolvedConfig['quarantineLimit']>>(
            DEFAULTS.quarantineLimit,
            valid.quarantineLimit,
          ),
    foreignLimit: valid.foreignLimit ?? DEFAULTS.foreignLimit,
    circuit: withDefaults<ResolvedConfig['circuit']>(DEFAULTS.circuit, valid.circuit),
    keySearchAttribute: valid.keySearchAttribute ?? DEFAULTS.keySearchAttribute,
    drainTimeoutMs: valid.drainTimeoutMs ?? DEFAULTS.drainTimeoutMs,
    watchdogMs: valid.watchdogMs ?? DEFAULTS.watchdogMs,
    uiUrl: env['KTB_UI_URL'] || valid.uiUrl,
    logLevel: valid.logLevel ?? DEFAULTS.logLevel,
  };
  return freezeOurs(resolved);
}

/** A config that was given as it is, with relative paths from the working folder; a resolved one is taken as it comes. */
export function asResolved(config: BridgeConfig<any, any> | ResolvedConfig): ResolvedConfig {
  return 'baseDir' in config ? config : resolveConfig(config, { baseDir: process.cwd() });
}

export function brokersFrom(
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] | undefined {
  const text = env['KAFKA_BROKERS'];
  if (text === undefined || text.trim() === '') return undefined;
  const brokers = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  if (brokers.length > 0 && brokers.every(isHostAndPort)) return brokers;
  throw new BridgeError(
    'KTB_CONFIG',
    `Expected \`KAFKA_BROKERS\` to be \`host:port\`, several separated by commas, got ${shown(text)}`,
  );
}

function resolveTemporal(
  given: BridgeConfig['temporal'],
  env: Readonly<Record<string, string | undefined>>,
): ResolvedConfig['temporal'] {
  const profile = readTemporalProfile(env);
  const apiKey = profile.apiKey ?? given.apiKey;
  return {
    address: profile.address ?? given.address ?? DEFAULTS.temporal.address,
    namespace: profile.namespace ?? given.namespace ?? DEFAULTS.temporal.namespace,
    taskQueue: given.taskQueue,
    // An API key never travels in plain text, unless TLS was switched off by name.
    tls: profile.tls ?? given.tls ?? (apiKey === undefined ? undefined : true),
    apiKey,
    metadata: profile.metadata,
    dataConverter: given.dataConverter,
  };
}

function resolveWorker(
  given: NonNullable<BridgeConfig['worker']>,
  baseDir: string,
): ResolvedConfig['worker'] {
  const { workflowsPath, activities } = given;
  return {
    workflowsPath: workflowsPath === undefined ? undefined : path.resolve(baseDir, workflowsPath),
    activities: typeof activities === 'string' ? path.resolve(baseDir, activities) : activities,
    shutdownGraceTimeMs: given.shutdownGraceTimeMs ?? DEFAULTS.worker.shutdownGraceTimeMs,
    options: { ...given.options },
    ownOptions: { ...given.ownOptions },
  };
}

/** One level by one: below `ssl`, `tls`, `activities`, a route's options and the like stand objects of the user's. */
function freezeOurs(config: ResolvedConfig): ResolvedConfig {
  for (const section of [
    config.temporal,
    config.worker,
    config.worker.options,
    config.worker.ownOptions,
    config.kafka,
  ])
    Object.freeze(section);
  for (const ours of [config.kafka.brokers, config.buffer, config.circuit, config.quarantineLimit])
    deepFreeze(ours);
  return Object.freeze(config);
}
