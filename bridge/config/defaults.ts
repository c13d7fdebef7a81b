import { deepFreeze } from './freeze.js';

/** Every default in one place; the `@default`s in types.ts say the same. */
export const DEFAULTS = deepFreeze({
  idPrefix: '',
  decoder: 'json',
  onUnrouted: 'quarantine',
  kafka: {
    startFrom: 'beginning',
    onLostRange: 'continue',
    sessionTimeoutMs: 30_000,
    maxWaitTimeMs: 400,
    commitIntervalMs: 250,
  },
  temporal: {
    address: 'localhost:7233',
    namespace: 'default',
  },
  worker: {
    shutdownGraceTimeMs: 20_000,
  },
  route: {
    onExpired: 'count',
    missingKey: 'coordinates',
    onConflict: 'quarantine',
    priority: 'medium',
    waitForWorkflowMs: 60_000,
    onClosed: 'deadLetter',
    startToCloseTimeoutMs: 60_000,
    heartbeatTimeoutMs: 30_000,
  },
  retry: {
    maximumAttempts: 10,
    initialIntervalMs: 1_000,
    maximumIntervalMs: 60_000,
    backoffCoefficient: 2,
    nonRetryableErrors: [] as readonly string[],
  },
  decoderTimeoutMs: 5_000,
  buffer: { records: 1_000, bytes: 32 * 1024 * 1024 },
  maxPollRecords: 100,
  maxConcurrentStarts: 100,
  maxBacklog: 1_000,
  quarantineLimit: { count: 50, share: 0.2, window: 500 },
  foreignLimit: 20,
  circuit: { failures: 5, halfOpenAfterMs: 10_000 },
  keySearchAttribute: 'plain',
  drainTimeoutMs: 30_000,
  watchdogMs: 60_000,
  logLevel: 'info',
} as const);
