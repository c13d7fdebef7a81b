/**
 * The worker process: the user's workflows and activities on their task queue, and ours (activity routes, quarantine)
 * on `<taskQueue>-ktb`, by a second Worker, so that a flood of the user's work can't starve them.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { createOwnActivities, MarkRun } from '../activities/index.js';
import { ownTaskQueue } from '../workflows/contract.js';
import { scopeOf } from './bridge.js';
import { loadModule } from './config/load.js';
import type { ResolvedConfig, RouteTarget } from './config/resolved.js';
import { createDispatch } from './delivery/dispatch.js';
import { createTargetDelivery } from './delivery/deliver-to-target.js';
import { BridgeError, messageOf } from './errors.js';
import { createRecordMapper } from './intake/record-mapper.js';
import { createLogger, type Logger } from './observe/logger.js';
import { installRuntime } from './observe/temporal-runtime.js';
import { connectionOptions, SdkTemporalPort } from './temporal/sdk-temporal-port.js';
import { delay } from './timing.js';

type Functions = Readonly<Record<string, (...args: any[]) => any>>;

export interface BridgeWorkerOptions {
  readonly logger?: Logger;
}

/** The two Workers of a process, as one. */
export class BridgeWorker {
  readonly #config: ResolvedConfig;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #workers: readonly Worker[] = [];
  #port: SdkTemporalPort | undefined;
  #connection: NativeConnection | undefined;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: ResolvedConfig, options: BridgeWorkerOptions = {}) {
    this.#config = config;
    this.#logger = options.logger ?? createLogger({ name: 'worker', level: config.logLevel });
  }

  /**
   * Connects, waiting as long as Temporal is away, and begins to poll.
   * @throws BridgeError `KTB_WORKER` if a route names a workflow or an activity that is not there, or the bundle fails
   */
  async start(): Promise<void> {
    const { temporal, worker } = this.#config;
    installRuntime(this.#logger, this.#config.logLevel);
    const activities = await activitiesOf(this.#config);
    await checkNames(this.#config, activities, this.#logger);
    const connection = await this.#connect();
    if (!connection) return;
    this.#connection = connection;
    this.#port = new SdkTemporalPort(temporal);
    const shared = {
      connection,
      namespace: temporal.namespace,
      shutdownGraceTime: worker.shutdownGraceTimeMs,
      ...(temporal.dataConverter === undefined ? {} : { dataConverter: temporal.dataConverter }),
    };
    try {
      const own = Worker.create({
        ...shared,
        taskQueue: ownTaskQueue(temporal.taskQueue),
        ...ownBundle(this.#config),
        activities: {
          ...activities,
          ...createOwnActivities({
            dispatch: createDispatch(createRecordMapper(this.#config), this.#port, scopeOf(this.#config)),
            deliver: createTargetDelivery(this.#port),
            history: (workflowId, runId) => this.#port!.history(workflowId, runId),
          }),
        },
        interceptors: { activity: [(context) => ({ inbound: new MarkRun(context) })] },
      });
      const users = this.#hasUserWork(activities)
        ? Worker.create({
            ...shared,
            taskQueue: temporal.taskQueue,
            activities,
            ...userOptions(this.#config),
          })
        : undefined;
      this.#workers = await Promise.all([own, ...(users ? [users] : [])]);
    } catch (error) {
      throw new BridgeError('KTB_WORKER', `The worker can't be built: ${messageOf(error)}`, { cause: error });
    }
    if (this.#stop.signal.aborted) return;
    this.#running = Promise.all(this.#workers.map((one) => one.run())).then(() => undefined);
    this.#running.catch(() => undefined); // whoever awaits `finished` hears of it
    this.#logger.info(
      { taskQueues: this.#workers.map((one) => one.options.taskQueue), namespace: temporal.namespace },
      'polling',
    );
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
    for (const worker of this.#workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await this.#running?.catch(() => undefined);
    await Promise.allSettled([this.#connection?.close(), this.#port?.close()]);
  }

  #hasUserWork(activities: Functions): boolean {
    return this.#config.worker.workflowsPath !== undefined || Object.keys(activities).length > 0;
  }

  async #connect(): Promise<NativeConnection | undefined> {
    const { signal } = this.#stop;
    let said: string | undefined;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        return await NativeConnection.connect(connectionOptions(this.#config.temporal));
      } catch (error) {
        const why = messageOf(error);
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

/** Sources under tsx, compiled files in the package. */
function fileBeside(relative: string): string {
  const path = fileURLToPath(new URL(relative, import.meta.url));
  return existsSync(path) ? path : path.replace(/\.js$/, '.ts');
}

/** The package ships its workflows bundled; sources, and a payload converter of the user's, need a bundle of their own. */
function ownBundle(config: ResolvedConfig): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const prebuilt = fileURLToPath(new URL('../own-workflows.cjs', import.meta.url));
  if (existsSync(prebuilt) && config.temporal.dataConverter?.payloadConverterPath === undefined) {
    return { workflowBundle: { codePath: prebuilt } };
  }
  return { workflowsPath: fileBeside('../workflows/index.js') };
}

function userOptions(config: ResolvedConfig): Partial<WorkerOptions> {
  const { workflowsPath, options } = config.worker;
  return {
    ...options,
    ...(workflowsPath === undefined ? {} : { workflowsPath }),
    interceptors: {
      ...options.interceptors,
      workflowModules: [
        ...(options.interceptors?.workflowModules ?? []),
        fileBeside('../workflows/interceptors.js'),
      ],
    },
  };
}

async function activitiesOf(config: ResolvedConfig): Promise<Functions> {
  const { activities } = config.worker;
  if (activities === undefined) return {};
  const found = typeof activities === 'string' ? await loadModule(activities) : activities;
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => typeof value === 'function'),
  ) as Functions;
}

async function checkNames(config: ResolvedConfig, activities: Functions, logger: Logger): Promise<void> {
  const workflows = await workflowNames(config, logger);
  const problems: string[] = [];
  for (const { id, target } of config.routes) {
    if (target.kind === 'activity' && !Object.hasOwn(activities, target.activity.activity)) {
      problems.push(
        `Expected route \`${id}\` to name an activity, got \`${target.activity.activity}\`; there are: ${listOf(Object.keys(activities))}`,
      );
    }
    // A route with a task queue of its own is handled by somebody else's worker.
    const started = startedBy(target);
    if (
      started !== undefined &&
      workflows &&
      target.options.taskQueue === undefined &&
      !workflows.has(started)
    ) {
      problems.push(
        `Expected route \`${id}\` to name a workflow, got \`${started}\`; there are: ${listOf([...workflows])}`,
      );
    }
  }
  if (problems.length > 0) throw new BridgeError('KTB_WORKER', problems.join('\n'));
}

/** The user's workflow that a route starts. */
function startedBy(target: RouteTarget): string | undefined {
  if (target.kind === 'activity') return undefined;
  return target.kind === 'workflow' ? target.workflow : target.start;
}

/** Undefined where they can't be known: a module that only loads inside of Temporal's sandbox. */
async function workflowNames(
  config: ResolvedConfig,
  logger: Logger,
): Promise<ReadonlySet<string> | undefined> {
  const { workflowsPath } = config.worker;
  if (workflowsPath === undefined) return new Set();
  try {
    const found = await loadModule(workflowsPath);
    return new Set(Object.keys(found).filter((name) => typeof found[name] === 'function'));
  } catch (error) {
    logger.warn(
      { reason: messageOf(error) },
      'the names of workflows are not checked: their module does not load here',
    );
    return undefined;
  }
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}
