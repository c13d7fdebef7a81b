/**
 * The worker process: the user's workflows and activities on their task queue, by a Worker that is built from the config,
 * and ours on `<taskQueue>-ktb` beside it, by the plugin that any other worker can have too (plugin.ts).
 */
import { NativeConnection, TransportError, Worker, type WorkerOptions } from '@temporalio/worker';
import { ownTaskQueue } from '../workflows/contract.js';
import { loadModule } from './config/load.js';
import type { ResolvedConfig } from './config/resolved.js';
import { awayReason, refusalOf, refusalWithoutAsking } from './connections/refusal.js';
import { temporalService } from './connections/service.js';
import { BridgeError, messageOf } from './errors.js';
import { createLogger, type Logger } from './observe/logger.js';
import { installRuntime } from './observe/temporal-runtime.js';
import { runOwnWorker, stopIfRunning, type Functions } from './own-worker.js';
import { KafkaBridgePlugin } from './plugin.js';
import { checkRouteNames, functionNames, workflowNames } from './route-names.js';
import { connectionOptions } from './temporal/sdk-temporal-port.js';
import { delay } from './timing.js';
import { WorkerCapacity } from './worker-report/worker-capacity.js';

export interface BridgeWorkerOptions {
  readonly logger?: Logger;
  /** `host:port` where the metrics of Temporal's SDK are served, of the whole process. @default nowhere */
  readonly metrics?: string;
}

/** The two Workers of a process, as one. */
export class BridgeWorker {
  readonly #config: ResolvedConfig;
  readonly #logger: Logger;
  readonly #metrics: string | undefined;
  readonly #stop = new AbortController();
  #worker: Worker | undefined;
  #connection: NativeConnection | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeWorkerOptions = {}) {
    this.#config = config;
    this.#metrics = options.metrics;
    this.#logger = options.logger ?? createLogger({ name: 'worker', level: config.logLevel });
  }

  /**
   * Connects, waiting as long as Temporal is away, and begins to poll.
   * @throws BridgeError `KTB_TEMPORAL` if Temporal refuses us, or shows a certificate that isn't to be trusted;
   * `KTB_WORKER` if a route names a workflow or an activity that is not there, or the bundle fails
   */
  async start(): Promise<void> {
    const { temporal } = this.#config;
    installRuntime(this.#logger, this.#config.logLevel, this.#metrics);
    const users = userOptions(this.#config, await activitiesOf(this.#config));
    await checkNames(this.#config, users, this.#logger);
    const connection = await this.#connect();
    if (!connection) return;
    this.#connection = connection;
    try {
      await this.#run({ connection, ...users });
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      // A server may answer the connection's first call to anybody, and refuse the namespace.
      const refusal =
        error instanceof TransportError
          ? refusalWithoutAsking(error, temporalService(this.#config.temporal))
          : undefined;
      if (refusal) throw refusal;
      throw new BridgeError('KTB_WORKER', `The worker can't be built: ${messageOf(error)}`, { cause: error });
    }
    if (this.#stop.signal.aborted) return;
    const own = ownTaskQueue(temporal.taskQueue);
    this.#logger.info(
      {
        taskQueues: this.#worker ? [own, this.#worker.options.taskQueue] : [own],
        namespace: temporal.namespace,
      },
      'polling',
    );
  }

  /** Both Workers, or ours alone; resolves when they poll. */
  async #run(users: WorkerOptions): Promise<void> {
    const { signal } = this.#stop;
    let onPolling!: () => void;
    const polling = new Promise<void>((resolve) => (onPolling = resolve));
    if (hasWork(users)) {
      const plugin = new KafkaBridgePlugin(this.#config, {
        logger: this.#logger,
        namesChecked: true,
        onPolling,
      });
      this.#worker = await Worker.create({ ...users, plugins: [...(users.plugins ?? []), plugin] });
      if (signal.aborted) return;
      this.#running = this.#worker.run();
    } else {
      const { connection, dataConverter = this.#config.temporal.dataConverter } = users;
      const capacity = new WorkerCapacity(this.#config, { logger: this.#logger });
      this.#running = runOwnWorker(
        this.#config,
        {
          capacity,
          ...(connection === undefined ? {} : { connection }),
          ...(dataConverter === undefined ? {} : { dataConverter }),
          activities: {},
          shutdownGraceTimeMs: this.#config.worker.shutdownGraceTimeMs,
        },
        { signal, onPolling },
      ).finally(() => capacity.close());
    }
    this.#running.catch(() => undefined); // whoever awaits `finished` hears of it
    await Promise.race([polling, this.#running]);
  }

  /** Resolves when the worker has been closed. @throws what ended it otherwise */
  async finished(): Promise<void> {
    await this.#running;
  }

  /** Stops polling and lets calls end, for `shutdownGraceTimeMs`. Again: the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    if (this.#worker) stopIfRunning(this.#worker);
    await this.#running?.catch(() => undefined);
    await this.#connection?.close().catch(() => undefined);
  }

  async #connect(): Promise<NativeConnection | undefined> {
    const { signal } = this.#stop;
    const service = temporalService(this.#config.temporal);
    let said: string | undefined;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return await NativeConnection.connect(connectionOptions(this.#config.temporal));
      } catch (error) {
        const refusal = await refusalOf(error, service);
        if (refusal && !signal.aborted) throw refusal;
        const why = awayReason(error, service);
        const { address } = this.#config.temporal;
        if (why !== said)
          this.#logger.warn({ reason: why }, `Temporal at ${address} does not answer; waiting for it`);
        said = why;
        await delay(Math.min(5_000, 250 * 2 ** attempt), signal);
      }
    }
    return undefined;
  }
}

/** What the config says of the user's Worker; `worker.options` win. */
function userOptions(config: ResolvedConfig, activities: Functions): Omit<WorkerOptions, 'connection'> {
  const { temporal, worker } = config;
  return {
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    shutdownGraceTime: worker.shutdownGraceTimeMs,
    activities,
    ...(worker.workflowsPath === undefined ? {} : { workflowsPath: worker.workflowsPath }),
    ...worker.options,
  };
}

/** Without workflows and activities of its own a worker has nothing to poll for but ours. */
function hasWork({ workflowsPath, workflowBundle, activities }: Partial<WorkerOptions>): boolean {
  return (
    workflowsPath !== undefined || workflowBundle !== undefined || Object.keys(activities ?? {}).length > 0
  );
}

async function activitiesOf(config: ResolvedConfig): Promise<Functions> {
  const { activities } = config.worker;
  if (activities === undefined) return {};
  const found = typeof activities === 'string' ? await loadModule(activities) : activities;
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => typeof value === 'function'),
  ) as Functions;
}

async function checkNames(
  config: ResolvedConfig,
  users: Partial<WorkerOptions>,
  logger: Logger,
): Promise<void> {
  const { workflowsPath, workflowBundle, activities = {} } = users;
  const workflows =
    workflowsPath === undefined ? new Set<string>() : await workflowNames(workflowsPath, logger);
  checkRouteNames(config.routes, {
    activities: functionNames(activities as Functions),
    workflows: workflowBundle === undefined ? workflows : undefined,
  });
}
