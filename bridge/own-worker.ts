/**
 * Our Worker, the second one of a worker process: our workflows (activity routes, quarantine) on `<taskQueue>-ktb`, so
 * that a flood of the user's work can't starve them. It runs the user's activities too: activity routes call them there.
 *
 * It gets what decides where and how code runs: connection, namespace, data converter, interceptors of activities. It
 * gets none of what belongs to the user's build: no `workerDeploymentOptions` above all. A deployment's version becomes
 * current when somebody says so, and until then a versioned queue gives it nothing; ours must never wait for that. Our
 * workflows outlive builds by `patched()`, so any process may run them: an unversioned Worker is right for them.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Context } from '@temporalio/activity';
import {
  Worker,
  type ActivityInterceptorsFactory,
  type WorkerInterceptors,
  type WorkerOptions,
} from '@temporalio/worker';
import { createOwnActivities, MarkRun, type Publisher } from '../activities/index.js';
import {
  DELIVER_TO_TARGET_ACTIVITY,
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  ownTaskQueue,
  PUBLISH_EVENT_ACTIVITY,
  PUBLISH_EVENTS_ACTIVITY,
} from '../workflows/contract.js';

import { fingerprintOf } from './config/fingerprint.js';
import type { ResolvedConfig } from './config/resolved.js';
import { createTargetDelivery } from './delivery/deliver-to-target.js';
import { createDispatch } from './delivery/dispatch.js';
import { scopeOf } from './delivery/record-start.js';
import { BridgeError, messageOf } from './errors.js';
import { createRecordMapper } from './intake/record-mapper.js';
import { EventPublisher } from './publish/event-publisher.js';
import { SdkTemporalPort } from './temporal/sdk-temporal-port.js';
import type { TemporalPort } from './temporal/temporal-port.js';
import { workerIdentity } from './temporal/worker-identity.js';
import type { WorkerCapacity } from './worker-report/worker-capacity.js';

export type Functions = Readonly<Record<string, (...args: any[]) => any>>;

/** What our Worker takes over from the user's, beside which it runs. */
export type HostOptions = Pick<WorkerOptions, 'connection' | 'dataConverter' | 'bundlerOptions'> & {
  readonly activities: Functions;
  readonly interceptors?: Pick<WorkerInterceptors, 'activity' | 'client'>;
  readonly shutdownGraceTimeMs: number;
  /** What both Workers tell of records' slots. Whoever made it ends it. */
  readonly capacity: WorkerCapacity;
};

export interface OwnWorkerRun {
  /** Ends it: it stops polling and lets calls end, for the host's `shutdownGraceTimeMs`. */
  readonly signal: AbortSignal;
  readonly onPolling?: () => void;
}

/**
 * Creates our Worker and runs it until the signal fires.
 * @throws BridgeError `KTB_WORKER` if it can't be built; what ends it otherwise comes through as it is
 */
export async function runOwnWorker(
  config: ResolvedConfig,
  host: HostOptions,
  { signal, onPolling }: OwnWorkerRun,
): Promise<void> {
  const port = new SdkTemporalPort({ ...config.temporal, dataConverter: host.dataConverter });
  const publisher = new EventPublisher(config);
  try {
    const worker = await Worker.create(ownWorkerOptions(config, host, port, publisher)).catch(
      (error: unknown) => {
        throw new BridgeError('KTB_WORKER', `The bridge's own worker can't be built: ${messageOf(error)}`, {
          cause: error,
        });
      },
    );
    const running = worker.run();
    host.capacity.attach(worker);
    host.capacity.start();
    // Also where the signal has fired meanwhile: a Worker that never ran keeps its connection from being closed.
    const stop = () => stopIfRunning(worker);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    onPolling?.();
    await running;
  } finally {
    // Behind the last activity: what is under way then is nobody's any more.
    await publisher.close();
    await port.close();
  }
}

/** Temporal's `shutdown` throws where there is nothing to shut down. */
export function stopIfRunning(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

export function ownWorkerOptions(
  config: ResolvedConfig,
  host: HostOptions,
  port: TemporalPort,
  publisher: Publisher,
): WorkerOptions {
  const { connection, dataConverter } = host;
  return {
    ...config.worker.ownOptions,
    ...(connection === undefined ? {} : { connection }),
    ...(dataConverter === undefined ? {} : { dataConverter }),
    namespace: config.temporal.namespace,
    taskQueue: ownTaskQueue(config.temporal.taskQueue),
    identity: workerIdentity(fingerprintOf(config), config.worker.ownOptions.identity),
    shutdownGraceTime: host.shutdownGraceTimeMs,
    ...ownBundle(host),
    activities: {
      ...host.activities,
      ...createOwnActivities({
        deliver: createTargetDelivery(port),
        publisher,
        dispatch: createDispatch(createRecordMapper(config), port, scopeOf(config)),
        history: (workflowId, runId) => port.history(workflowId, runId),
      }),
    },
    sinks: host.capacity.sinks,
    interceptors: {
      ...(host.interceptors?.client === undefined ? {} : { client: host.interceptors.client }),
      ...ownInterceptorModules(host),
      // Ours outermost: they count, and mark failures, as the user's interceptors have left them.
      activity: [
        host.capacity.ownActivities,
        (context) => ({ inbound: new MarkRun(context) }),
        ...(host.interceptors?.activity ?? []).map(aroundHandlersOnly),
      ],
    },
  };
}

const OWN_ACTIVITIES: ReadonlySet<string> = new Set([
  DELIVER_TO_TARGET_ACTIVITY,
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  PUBLISH_EVENT_ACTIVITY,
  PUBLISH_EVENTS_ACTIVITY,
]);

/** An interceptor of the user's knows the user's activities, and not ours. */
function aroundHandlersOnly(factory: ActivityInterceptorsFactory): ActivityInterceptorsFactory {
  return (context: Context) => (OWN_ACTIVITIES.has(context.info.activityType) ? {} : factory(context));
}

/** Sources under tsx, compiled files in the package. */
function fileBeside(relative: string): string {
  const path = fileURLToPath(new URL(relative, import.meta.url));
  return existsSync(path) ? path : path.replace(/\.js$/, '.ts');
}

/** The module of our workflows, where they are bundled at the start. */
export const OWN_WORKFLOWS_PATH = fileBeside('../workflows/index.js');

/** The module that puts `(replay: Reset to event N)` into the failures of the user's workflows, and tells of their slots. */
export const HINT_MODULE_PATH = fileBeside('../workflows/interceptors.js');

/** The module by which our own workflows tell of their records' slots. */
const OWN_INTERCEPTORS_PATH = fileBeside('../workflows/own-interceptors.js');

/** The package ships its workflows bundled; sources, and converters of the user's, need a bundle of their own. */
function ownBundle(host: HostOptions): Partial<WorkerOptions> {
  const codePath = prebuiltFor(host);
  if (codePath !== undefined) return { workflowBundle: { codePath } };
  return {
    workflowsPath: OWN_WORKFLOWS_PATH,
    ...(host.bundlerOptions === undefined ? {} : { bundlerOptions: host.bundlerOptions }),
  };
}

/** A prebuilt bundle has them in it. */
function ownInterceptorModules(host: HostOptions): Pick<WorkerInterceptors, 'workflowModules'> {
  return prebuiltFor(host) === undefined ? { workflowModules: [OWN_INTERCEPTORS_PATH] } : {};
}

function prebuiltFor({ dataConverter }: HostOptions): string | undefined {
  const prebuilt = fileURLToPath(new URL('../own-workflows.cjs', import.meta.url));
  const converters = dataConverter?.payloadConverterPath ?? dataConverter?.failureConverterPath;
  return existsSync(prebuilt) && converters === undefined ? prebuilt : undefined;
}
