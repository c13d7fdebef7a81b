import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BridgeError, messageOf } from '../errors.js';
import { silentProgress, type Progress } from '../observe/progress.js';
import { cacheDir, lock } from './cache.js';
import { startKafkaBroker } from './kafka-broker.js';
import type { ManagedServer } from './managed-server.js';
import { freePort, portOr, releasePorts } from './ports.js';
import { reapFolder } from './reaper.js';
import { resolveTemporal } from './temporal-resolve.js';
import { startTemporalServer } from './temporal-server.js';
import { startTemporalUi } from './temporal-ui.js';

export interface LocalStackOptions {
  /** Where the servers' data live; they are kept there. @default see `keep` */
  readonly dataDir?: string;
  /** Keeps the data, in the cache folder's `data` where no `dataDir` is given. @default false: a temporary folder */
  readonly keep?: boolean;
  /** Temporal's web UI. When it can't be had the stack goes on without, and says so. @default true */
  readonly ui?: boolean;
  /** `usual`: 9092, 7233 and 8233 where they are free. `free`: always free ones, for tests. @default 'usual' */
  readonly ports?: 'usual' | 'free';
  readonly kafka?: {
    /** Of a Kafka that runs: none is started. */
    readonly brokers?: readonly string[];
    readonly port?: number;
    /** The broker's settings, over those set here. */
    readonly properties?: Readonly<Record<string, string>>;
  };
  readonly temporal?: {
    /** Of a Temporal that runs: none is started, nor a UI. */
    readonly address?: string;
    /** @default 'default' */
    readonly namespace?: string;
    /** How long closed executions are kept. @default 259_200_000 (3 days) */
    readonly retentionMs?: number;
    readonly port?: number;
    readonly uiPort?: number;
    /** Beside `TEMPORAL_DYNAMIC_CONFIG`; wins over it. */
    readonly dynamicConfig?: Readonly<Record<string, unknown>>;
  };
  /** @default silentProgress */
  readonly progress?: Progress;
  /** Gives up the start; what has been started is stopped. No effect afterwards. */
  readonly signal?: AbortSignal;
}

/** Kafka and Temporal on this machine. */
export interface LocalStack {
  /** `server` is missing where the brokers were given. */
  readonly kafka: { readonly brokers: readonly string[]; readonly server?: ManagedServer };
  /** `server` is missing where the address was given. */
  readonly temporal: {
    readonly address: string;
    readonly namespace: string;
    readonly server?: ManagedServer;
  };
  readonly ui?: { readonly url: string };
  /** Holds `kafka` and `temporal`, with their logs. */
  readonly dataDir: string;
  /** Stops what was started here, all at once, and removes a temporary folder. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

type Cleanup = () => Promise<void>;

/**
 * Starts Kafka and Temporal side by side, as processes without containers, on 127.0.0.1 only. Nothing is left behind
 * when this process ends, however it ends.
 * @throws BridgeError `KTB_LOCAL_STACK` when a piece can't be had (the message lists the ways) or does not start
 * @example
 * await using stack = await startLocalStack({ ports: 'free' });
 * const kafka = new Kafka({ brokers: [...stack.kafka.brokers] });
 */
export async function startLocalStack(options: LocalStackOptions = {}): Promise<LocalStack> {
  options.signal?.throwIfAborted();
  const servers: Cleanup[] = [];
  const folder = await claimFolder(options);
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> =>
    (stopping ??= (async () => {
      const ended = await Promise.allSettled(servers.map(async (each) => each()));
      await folder.release();
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    })());

  // One that fails stops the other at once: a build of minutes would only delay the message.
  const abort = new AbortController();
  const giveUp = (): void => abort.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', giveUp, { once: true });
  if (options.signal?.aborted === true) giveUp();
  const orAbort = async <T>(start: Promise<T>): Promise<T> =>
    start.catch((error: unknown) => {
      abort.abort(error);
      throw error;
    });
  const context = { options, dataDir: folder.path, servers, signal: abort.signal };
  const [kafka, temporal] = await Promise.allSettled([
    orAbort(startKafka(context)),
    orAbort(startTemporal(context)),
  ]);
  options.signal?.removeEventListener('abort', giveUp);
  if (kafka.status === 'rejected' || temporal.status === 'rejected') {
    await stop();
    options.signal?.throwIfAborted();
    const failures = [kafka, temporal].flatMap((each) =>
      each.status === 'rejected' ? [each.reason as unknown] : [],
    );
    throw oneError(failures);
  }
  return { kafka: kafka.value, ...temporal.value, dataDir: folder.path, stop, [Symbol.asyncDispose]: stop };
}

interface Context {
  readonly options: LocalStackOptions;
  readonly dataDir: string;
  readonly servers: Cleanup[];
  readonly signal: AbortSignal;
}

async function startKafka({ options, dataDir, servers, signal }: Context): Promise<LocalStack['kafka']> {
  const { kafka = {}, progress = silentProgress } = options;
  if (kafka.brokers !== undefined && kafka.brokers.length > 0) return { brokers: kafka.brokers };
  const port = await choosePort(kafka.port, 9092, options, servers);
  const { properties } = kafka;
  const broker = await startKafkaBroker({
    dataDir: join(dataDir, 'kafka'),
    port,
    properties,
    progress,
    signal,
  });
  servers.push(async () => broker.stop());
  return { brokers: broker.brokers, server: broker.server };
}

async function startTemporal(context: Context): Promise<Pick<LocalStack, 'temporal' | 'ui'>> {
  const { options, servers, signal } = context;
  const { temporal = {}, progress = silentProgress } = options;
  const namespace = temporal.namespace ?? 'default';
  if (temporal.address !== undefined) return { temporal: { address: temporal.address, namespace } };
  const executable = await resolveTemporal({ progress, signal });
  const port = await choosePort(temporal.port, 7233, options, servers);
  const uiPort = options.ui === false ? undefined : await choosePort(temporal.uiPort, 8233, options, servers);
  const dataDir = join(context.dataDir, 'temporal');
  const { retentionMs, dynamicConfig } = temporal;
  const own = { dataDir, port, uiPort, namespace, retentionMs, dynamicConfig, executable };
  const started = await startTemporalServer({ ...own, progress, signal });
  servers.push(async () => started.stop());
  const { address, server } = started;
  const running = { temporal: { address, namespace, server } };
  if (uiPort === undefined) return running;
  if (started.uiPort !== undefined) return { ...running, ui: { url: `http://127.0.0.1:${started.uiPort}` } };
  try {
    const shown = { dataDir, temporalAddress: address, namespace, port: uiPort };
    const ui = await startTemporalUi({ ...shown, progress, signal });
    servers.push(async () => ui.stop());
    return { ...running, ui: { url: ui.url } };
  } catch (error) {
    signal.throwIfAborted();
    progress.step("going on without Temporal's UI").fail(messageOf(error));
    return running;
  }
}

async function choosePort(
  given: number | undefined,
  usual: number,
  options: LocalStackOptions,
  servers: Cleanup[],
): Promise<number> {
  if (given !== undefined) return given;
  const port = options.ports === 'free' ? await freePort() : await portOr(usual);
  servers.push(async () => releasePorts([port]));
  return port;
}

/** A folder of one stack at a time: two servers on the same data would spoil them, or fail with obscure messages. */
async function claimFolder(options: LocalStackOptions): Promise<{ path: string; release: Cleanup }> {
  const kept = options.dataDir ?? (options.keep === true ? join(cacheDir(), 'data') : undefined);
  if (kept === undefined) {
    const path = await mkdtemp(join(tmpdir(), 'ktb-stack-'));
    const forget = reapFolder(path);
    const release = async (): Promise<void> => {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      forget();
    };
    return { path, release };
  }
  const path = resolve(kept);
  await mkdir(path, { recursive: true });
  // Another stack's reaper may still be ending its servers: it has a moment.
  const unlock = await lock(join(path, '.lock'), { timeoutMs: 5000, signal: options.signal });
  return { path, release: unlock };
}

/** Of the two starts, what really failed: the one that was only stopped because of the other says nothing. */
function oneError(failures: readonly unknown[]): unknown {
  const messages = [
    ...new Set(failures.filter((each) => each instanceof BridgeError).map((each) => each.message)),
  ];
  if (messages.length < 2) return failures.find((each) => each instanceof BridgeError) ?? failures[0];
  return new BridgeError('KTB_LOCAL_STACK', messages.join('\n'), { cause: new AggregateError(failures) });
}
