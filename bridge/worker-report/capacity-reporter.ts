import type { WorkerReport } from '../../workflows/capacity/contract.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import type { CapacityPort } from '../temporal/capacity-port.js';
import { within } from '../timing.js';
import type { CapacityLedger } from './capacity-ledger.js';
import { steadyNow } from './steady-now.js';

export interface CapacityReporterOptions {
  readonly ledger: CapacityLedger;
  readonly port: Pick<CapacityPort, 'report'>;
  readonly worker: string;
  readonly identity: string;
  /** Activity slots, now. */
  readonly slots: () => WorkerReport['slots'];
  /** Why the machine is under pressure, now. @default it never is */
  readonly pressure?: () => readonly string[];
  /** So many numbers released, or so many calls under way, are worth a report at once. */
  readonly pressing: { readonly released: number; readonly calls: number };
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Epoch ms, by a clock that does not jump. */
  readonly now?: () => number;
}

/** Never sooner after the last report: two a second. */
const SOONEST_MS = 500;
/** After something was released, while nobody is likely to wait for it. */
const SOON_MS = 1_000;
/** While something runs, and once when nothing does any more: a busy worker that says nothing for 10 s counts as dead. */
const RUNNING_MS = 5_000;
const IDLE_MS = 30_000;
const LAST_REPORT_MS = 2_000;

/**
 * Tells the capacity workflow what the ledger holds. As seldom as does no harm: each report is a signal and a workflow
 * task. It never fails the worker: what could not be told is in the next report.
 */
export class CapacityReporter {
  readonly #options: CapacityReporterOptions;
  readonly #now: () => number;
  #sequence = 0;
  #sentAt = -Infinity;
  #failures = 0;
  #sentFull = false;
  #sentCalls = 0;
  /** Since when something runs; undefined while nothing does. */
  #busySince: number | undefined;
  #sentPressure = '';
  /** When the loop looks again, and what makes it look sooner. */
  #wakesAt = -Infinity;
  #wake: () => void = () => undefined;
  #stopped = false;
  #total = Infinity;
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: CapacityReporterOptions) {
    this.#options = options;
    this.#now = options.now ?? steadyNow;
  }

  /** The first report goes out at once: bridges wait for a worker. */
  start(): void {
    if (this.#running || this.#stopped) return;
    this.#options.ledger.onChange = () => {
      this.#busySince = this.#options.ledger.calls > 0 ? (this.#busySince ?? this.#now()) : undefined;
      if (this.#dueAt() < this.#wakesAt) this.#wake();
    };
    this.#running = this.#run();
  }

  /** Ends with a last report, for which it waits a little. Again: the same promise. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stopped = true;
    this.#options.ledger.onChange = () => undefined;
    this.#wake();
    if (!this.#running) return;
    const last = this.#running.then(() => this.#send({ ends: true }));
    await within(last, LAST_REPORT_MS, () => undefined);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const leftMs = this.#dueAt() - this.#now();
      if (leftMs <= 0) await this.#send({});
      // Pressure comes without a change in the ledger.
      else await this.#sleep(this.#options.ledger.calls > 0 ? Math.min(leftMs, SOON_MS) : leftMs);
    }
  }

  /** When the next report is due, by what there is to tell now. */
  #dueAt(): number {
    const { ledger, pressing } = this.#options;
    const { pending, calls } = ledger;
    if (this.#failures > 0)
      return this.#sentAt + Math.min(RUNNING_MS, SOON_MS * 2 ** Math.min(this.#failures - 1, 3));
    if (calls >= this.#total !== this.#sentFull) return this.#sentAt + SOONEST_MS;
    if (pending > 0) {
      const isPressing = pending >= pressing.released || calls >= pressing.calls;
      return this.#sentAt + (isPressing ? SOONEST_MS : SOON_MS);
    }
    // What is over within a second is told once, when it is released.
    if (calls > 0 && this.#sentCalls === 0)
      return Math.max(this.#sentAt, this.#busySince ?? this.#sentAt) + SOON_MS;
    if (calls > 0 && this.#pressure().join() !== this.#sentPressure) return this.#sentAt + SOON_MS;
    if (calls > 0 || this.#sentCalls > 0) return this.#sentAt + RUNNING_MS;
    return this.#sentAt + IDLE_MS;
  }

  async #send(end: { readonly ends?: true }): Promise<void> {
    const { ledger, port, logger } = this.#options;
    const report: WorkerReport = {
      worker: this.#options.worker,
      identity: this.#options.identity,
      sequence: ++this.#sequence,
      sentAt: Math.round(this.#now()),
      ...ledger.take(),
      slots: this.#options.slots(),
      pressure: this.#pressure(),
      ...end,
    };
    this.#sentAt = this.#now();
    this.#total = report.slots.total || Infinity; // none at all: nobody knows
    this.#sentFull = ledger.calls >= this.#total;
    this.#sentCalls = ledger.calls;
    this.#sentPressure = report.pressure.join();
    try {
      await port.report(report);
      ledger.confirm();
      if (this.#failures > 0) logger.info({}, 'what this worker can take is reported again');
      this.#failures = 0;
    } catch (error) {
      if (this.#failures++ === 0 && !this.#stopped)
        logger.warn(
          { reason: messageOf(error) },
          'what this worker can take could not be reported; it is tried again, and bridges start less meanwhile',
        );
    }
  }

  #pressure(): readonly string[] {
    return this.#options.pressure?.() ?? [];
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) return resolve();
      const timer = setTimeout(() => this.#wake(), ms);
      this.#wakesAt = this.#now() + ms;
      this.#wake = () => {
        clearTimeout(timer);
        this.#wakesAt = -Infinity;
        resolve();
      };
    });
  }
}
