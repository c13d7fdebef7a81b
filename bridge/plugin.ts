/**
 * The bridge as a Temporal plugin: what `ktb worker` does, in a worker that is there already. It changes nothing of that
 * worker's own work: it adds the replay hint to the bundle of its workflows, and runs our Worker beside it.
 */
import { readFile } from 'node:fs/promises';
import type { ClientOptions, ClientPlugin } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type {
  BundleOptions,
  BundlerPlugin,
  Worker,
  WorkerOptions,
  WorkerPlugin,
  WorkflowBundleOption,
} from '@temporalio/worker';
import { ownTaskQueue } from '../workflows/contract.js';
import { DEFAULTS } from './config/defaults.js';
import { shown } from './config/problems.js';
import { asResolved } from './config/resolve.js';
import type { ResolvedConfig } from './config/resolved.js';
import type { BridgeConfig } from './config/types.js';
import { BridgeError } from './errors.js';
import { createLogger, type Logger } from './observe/logger.js';
import {
  HINT_MODULE_PATH,
  OWN_WORKFLOWS_PATH,
  runOwnWorker,
  stopIfRunning,
  type HostOptions,
} from './own-worker.js';
import { checkRouteNames, functionNames, workflowNames } from './route-names.js';
import { WorkerCapacity } from './worker-report/worker-capacity.js';

export interface KafkaBridgeOptions {
  /** Where warnings go. @default JSON lines on stderr, by the config's `logLevel` */
  readonly logger?: Pick<Logger, 'warn' | 'info'>;
}

/** What `ktb worker` knows better. */
export interface InternalPluginOptions extends KafkaBridgeOptions {
  /** It has checked the routes' names before it connected. */
  readonly namesChecked?: boolean;
  readonly onPolling?: () => void;
  /** Why the machine is under pressure, now. */
  readonly pressure?: () => readonly string[];
}

/** What every bundle with the hint has in its code, minified too: see workflows/interceptors.ts. */
const HINT_TEXT = '(replay: Reset to event ';

/** See {@link kafkaBridge}. */
export class KafkaBridgePlugin implements WorkerPlugin, BundlerPlugin, ClientPlugin {
  readonly name = 'kafka-temporal-bridge';
  readonly #config: ResolvedConfig;
  readonly #logger: Pick<Logger, 'warn' | 'info'>;
  readonly #options: InternalPluginOptions;
  /** A plugin may come twice to one Worker: by its options, and by those of its connection. */
  readonly #accompanied = new WeakSet<Worker>();
  /** By the sink that it put into a Worker's options: one Worker, one ledger. */
  readonly #capacities = new WeakMap<object, WorkerCapacity>();

  constructor(config: ResolvedConfig, options: InternalPluginOptions = {}) {
    this.#config = config;
    this.#logger = options.logger ?? createLogger({ name: 'plugin', level: config.logLevel });
    this.#options = options;
  }

  /** Checks that worker and config mean the same, and gives the worker the config's data converter where it has none. */
  async configureWorker(options: WorkerOptions): Promise<WorkerOptions> {
    if (this.#isOurs(options.taskQueue)) return options;
    const { temporal, routes } = this.#config;
    expectSame('taskQueue', temporal.taskQueue, options.taskQueue);
    expectSame('namespace', temporal.namespace, options.namespace ?? DEFAULTS.temporal.namespace);
    if (options.connection === undefined && temporal.address !== DEFAULTS.temporal.address) {
      this.#logger.warn(
        { address: temporal.address },
        `the worker has no \`connection\`, so it polls at ${DEFAULTS.temporal.address}, and not where the bridge starts workflows`,
      );
    }
    if (this.#options.namesChecked !== true) {
      const { workflowsPath, workflowBundle, activities = {} } = options;
      checkRouteNames(routes, {
        activities: functionNames(activities as Readonly<Record<string, unknown>>),
        // A worker of activities only has its workflows in another process, which checks them.
        workflows:
          workflowsPath === undefined || workflowBundle !== undefined
            ? undefined
            : await workflowNames(workflowsPath, this.#logger),
      });
    }
    if (options.workflowBundle !== undefined) await this.#checkBundle(options.workflowBundle);
    return this.#withCapacity(this.#withConverter(options, 'worker'));
  }

  /** Adds the hint's module to a bundle of the user's workflows: the worker's own, and one built ahead. */
  configureBundler(options: BundleOptions): BundleOptions {
    if (options.workflowsPath === OWN_WORKFLOWS_PATH) return options;
    const { payloadConverterPath, failureConverterPath } = this.#config.temporal.dataConverter ?? {};
    return {
      ...(payloadConverterPath === undefined ? {} : { payloadConverterPath }),
      ...(failureConverterPath === undefined ? {} : { failureConverterPath }),
      // A worker names both, also where it has none: its own converter counts then.
      ...options,
      workflowInterceptorModules: [
        ...new Set([...(options.workflowInterceptorModules ?? []), HINT_MODULE_PATH]),
      ],
    };
  }

  /** Runs our Worker beside this one: each ends with the other, and either's error comes through. */
  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    if (this.#isOurs(worker.options.taskQueue) || this.#accompanied.has(worker)) return next(worker);
    this.#accompanied.add(worker);
    const stop = new AbortController();
    const { onPolling } = this.#options;
    const capacity = this.#capacityOf(worker);
    capacity.attach(worker);
    onShutdown(worker, () => stop.abort());
    // At once, before anything is awaited: whoever called `run()` may call `shutdown()` in the next line.
    const users = next(worker).finally(() => stop.abort());
    const ours = runOwnWorker(this.#config, this.#hostOptions(worker, capacity), {
      signal: stop.signal,
      ...(onPolling === undefined ? {} : { onPolling }),
    }).finally(() => stopIfRunning(worker));
    const [usersEnd, oursEnd] = await Promise.allSettled([users, ours]);
    await capacity.close();
    if (usersEnd.status === 'rejected') throw usersEnd.reason;
    if (oursEnd.status === 'rejected') throw oursEnd.reason;
  }

  /** A client reads and writes as the bridge does. */
  configureClient(options: Omit<ClientOptions, 'plugins'>): Omit<ClientOptions, 'plugins'> {
    return this.#withConverter(options, 'client');
  }

  #isOurs(taskQueue: string): boolean {
    return taskQueue === ownTaskQueue(this.#config.temporal.taskQueue);
  }

  #capacityOf({ options }: Worker): WorkerCapacity {
    // A later plugin may have put sinks of its own in the place of ours: then ours hear nothing, and all else works.
    const sink = options.sinks?.['ktbCapacity'];
    return (sink && this.#capacities.get(sink)) ?? this.#newCapacity();
  }

  #newCapacity(): WorkerCapacity {
    const { pressure } = this.#options;
    return new WorkerCapacity(this.#config, {
      logger: this.#logger,
      ...(pressure === undefined ? {} : { pressure }),
    });
  }

  /** Once, also where the plugin comes twice. */
  #withCapacity(options: WorkerOptions): WorkerOptions {
    const { sinks, interceptors } = options;
    if (sinks?.['ktbCapacity'] && this.#capacities.has(sinks['ktbCapacity'])) return options;
    const capacity = this.#newCapacity();
    this.#capacities.set(capacity.sinks.ktbCapacity, capacity);
    return {
      ...options,
      sinks: { ...sinks, ...capacity.sinks },
      interceptors: {
        ...interceptors,
        activity: [capacity.usersActivities, ...(interceptors?.activity ?? [])],
      },
    };
  }

  #hostOptions({ options }: Worker, capacity: WorkerCapacity): HostOptions {
    const { connection, dataConverter, bundlerOptions, activities, interceptors, shutdownGraceTimeMs } =
      options;
    return {
      // Not `worker.connection`: one that the SDK made by itself is closed with that Worker.
      ...(connection === undefined ? {} : { connection }),
      ...(dataConverter === undefined ? {} : { dataConverter }),
      ...(bundlerOptions === undefined ? {} : { bundlerOptions }),
      activities: Object.fromEntries(activities),
      // Ours counts otherwise.
      interceptors: {
        ...interceptors,
        activity: interceptors.activity.filter((factory) => factory !== capacity.usersActivities),
      },
      capacity,
      // The SDK's default is none at all.
      shutdownGraceTimeMs: shutdownGraceTimeMs || this.#config.worker.shutdownGraceTimeMs,
    };
  }

  #withConverter<T extends { dataConverter?: DataConverter | undefined }>(options: T, whose: string): T {
    const { dataConverter } = this.#config.temporal;
    if (options.dataConverter === undefined)
      return dataConverter === undefined ? options : { ...options, dataConverter };
    if (!isAlike(options.dataConverter, dataConverter)) {
      this.#logger.warn(
        {},
        `the ${whose}'s \`dataConverter\` is another one than the config's \`temporal.dataConverter\`: it may not read what the bridge writes`,
      );
    }
    return options;
  }

  async #checkBundle(bundle: WorkflowBundleOption): Promise<void> {
    const code =
      'code' in bundle ? bundle.code : await readFile(bundle.codePath, 'utf8').catch(() => HINT_TEXT);
    if (code.includes(HINT_TEXT)) return;
    this.#logger.warn(
      {},
      'the failures of workflows will not name the event to reset to: the `workflowBundle` was built without this plugin (`bundleWorkflowCode({ plugins: [kafkaBridge(config)] })`)',
    );
  }
}

/**
 * The bridge in a worker that is there already, and in clients beside it. In `plugins` of
 *
 * - `Worker.create`: runs our Worker (activity routes, quarantine) beside that one, with its connection, data converter,
 *   activities and their interceptors; what ends one ends both. Task queue and namespace must be the config's.
 * - `bundleWorkflowCode`: puts the replay hint into a bundle that is built ahead. (Where the worker bundles, it is there.)
 * - `new Client`: sets the config's `temporal.dataConverter`, so that the client reads what the bridge wrote.
 *
 * The config's `worker.workflowsPath`, `worker.activities` and `worker.options` are for `ktb worker`: here the worker has
 * its own. Where several plugins add activities, this one stands last.
 *
 * @example
 * ```ts
 * const worker = await Worker.create({
 *   connection,
 *   taskQueue: 'orders',
 *   workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
 *   activities,
 *   plugins: [kafkaBridge(await loadConfig())],
 * });
 * await worker.run();
 * ```
 * @throws BridgeError `KTB_CONFIG`. `Worker.create` throws `KTB_WORKER` where worker and config don't fit; `worker.run()`,
 * where our Worker can't be built
 * @experimental as Temporal's plugins are
 */
export function kafkaBridge(
  config: BridgeConfig<any, any> | ResolvedConfig,
  options?: KafkaBridgeOptions,
): KafkaBridgePlugin {
  return new KafkaBridgePlugin(asResolved(config), options);
}

function expectSame(option: 'taskQueue' | 'namespace', expected: string, got: string): void {
  if (got === expected) return;
  throw new BridgeError(
    'KTB_WORKER',
    `Expected the worker's \`${option}\` to be the config's \`temporal.${option}\`, ${shown(expected)}, got ${shown(got)}`,
  );
}

/** By what they are made of: a config that two modules load gives two instances of the same codec. */
function isAlike(one: DataConverter, other: DataConverter | undefined): boolean {
  if (one === other) return true;
  if (
    one.payloadConverterPath !== other?.payloadConverterPath ||
    one.failureConverterPath !== other?.failureConverterPath ||
    (one.externalStorage === undefined) !== (other?.externalStorage === undefined)
  )
    return false;
  const codecs = (converter: DataConverter | undefined) =>
    (converter?.payloadCodecs ?? []).map((codec) => codec.constructor?.name);
  return codecs(one).join() === codecs(other).join();
}

/**
 * The user's `shutdown()`, a signal's and a fatal error's all call this method. So both Workers stop side by side: one
 * after the other they would take the grace time twice, and a platform's own would be over.
 */
function onShutdown(worker: Worker, then: () => void): void {
  const shutdown = worker.shutdown.bind(worker);
  const both = () => {
    shutdown();
    then();
  };
  Object.defineProperty(worker, 'shutdown', { value: both, configurable: true });
}
