/**
 * The worker's side of the capacity loop, for one Worker of the user's and ours beside it: what their workflows and
 * activities tell of records goes into one ledger, and a reporter tells the capacity workflow.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Context } from '@temporalio/activity';
import type { ActivityInterceptorsFactory, InjectedSinks, Worker } from '@temporalio/worker';
import {
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  PUBLISH_EVENT_ACTIVITY,
  PUBLISH_EVENTS_ACTIVITY,
} from '../../workflows/contract.js';
import { parseSlot, type CapacitySinks, type WorkerReport } from '../../workflows/capacity/contract.js';
import type { ResolvedConfig } from '../config/resolved.js';
import type { Logger } from '../observe/logger.js';
import { WorkerPressure } from '../pressure/worker-pressure.js';
import { SdkCapacityPort } from '../temporal/sdk-capacity-port.js';
import { CapacityLedger } from './capacity-ledger.js';
import { CapacityReporter } from './capacity-reporter.js';
import { CountActivity } from './count-activity.js';
import { steadyNow } from './steady-now.js';

/** Activities of ours that are no record's handler. */
const NO_HANDLERS: ReadonlySet<string> = new Set([
  DISPATCH_RECORD_ACTIVITY,
  FAILURE_ORIGIN_ACTIVITY,
  PUBLISH_EVENT_ACTIVITY,
  PUBLISH_EVENTS_ACTIVITY,
]);

export interface WorkerCapacityOptions {
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Why the machine is under pressure, now. @default what is measured here */
  readonly pressure?: () => readonly string[];
}

export class WorkerCapacity {
  /** For both Workers: their bundles tell it, also where nothing is reported. */
  readonly sinks: InjectedSinks<CapacitySinks>;
  /** Outermost for the user's Worker; there the workflows are the handlers. */
  readonly usersActivities: ActivityInterceptorsFactory = (context) => this.#counting(context, false);
  /** Outermost for ours. */
  readonly ownActivities: ActivityInterceptorsFactory = (context) =>
    this.#counting(context, !NO_HANDLERS.has(context.info.activityType));
  readonly #config: ResolvedConfig;
  readonly #options: WorkerCapacityOptions;
  readonly #ledger = new CapacityLedger();
  readonly #workers: Worker[] = [];
  #closing: (() => Promise<void>) | undefined;

  constructor(config: ResolvedConfig, options: WorkerCapacityOptions) {
    this.#config = config;
    this.#options = options;
    this.sinks = {
      ktbCapacity: {
        began: { fn: ({ startTime }) => this.#ledger.waited(steadyNow() - startTime.getTime()) },
        released: {
          fn: (_, text, responseMs) => {
            const slot = this.#reports ? parseSlot(text) : undefined;
            if (slot) this.#ledger.releasedByWorkflow(slot, responseMs);
          },
        },
      },
    };
  }

  /** A Worker of this process whose slots count. */
  attach(worker: Worker): void {
    this.#workers.push(worker);
  }

  /** Begins to report, where the config says so. */
  start(): void {
    if (!this.#reports || this.#closing) return;
    const { temporal, capacity, pressure: thresholds } = this.#config;
    const port = new SdkCapacityPort(temporal);
    const slots = () => slotsOf(this.#workers.filter((worker) => this.#carriesRecords(worker)));
    const pressure = new WorkerPressure({
      pressure: thresholds,
      slots,
      responses: () => this.#ledger.responses,
    });
    const reporter = new CapacityReporter({
      pressure: () => pressure.reasons(),
      ...this.#options,
      ledger: this.#ledger,
      port,
      worker: randomBytes(6).toString('hex'),
      identity: `${process.pid}@${hostname()}`,
      slots,
      pressing: { released: Math.ceil(capacity.initial / 4), calls: Math.ceil(capacity.minimum / 2) },
    });
    pressure.start();
    reporter.start();
    this.#closing = async () => {
      pressure.close();
      await reporter.close();
      await port.close();
    };
  }

  /** After both Workers have ended: the last report says that this one goes. */
  async close(): Promise<void> {
    await this.#closing?.();
  }

  get #reports(): boolean {
    return this.#config.capacity.limit !== 'off';
  }

  #counting(context: Context, handles: boolean): ReturnType<ActivityInterceptorsFactory> {
    return this.#reports ? { inbound: new CountActivity(context, this.#ledger, { handles }) } : {};
  }

  /** Free slots that no route's records could ever use would hide that the others are taken. */
  #carriesRecords({ options }: Worker): boolean {
    const isUsers = options.taskQueue === this.#config.temporal.taskQueue;
    const { routes } = this.#config;
    return routes.some(({ target }) => (target.kind === 'workflow') === isUsers);
  }
}

/** With a tuner that has no fixed number nobody can say how many are free: such a Worker is left out. */
function slotsOf(workers: readonly Worker[]): WorkerReport['slots'] {
  let [total, free] = [0, 0];
  for (const worker of workers) {
    const { tuner, activities } = worker.options;
    const supplier = tuner.activityTaskSlotSupplier;
    if (supplier.type !== 'fixed-size' || activities.size === 0) continue;
    total += supplier.numSlots;
    free += Math.max(0, supplier.numSlots - worker.getStatus().numInFlightNonLocalActivities);
  }
  return { total, free };
}
