import type { CapacityPort } from '../../../bridge/temporal/capacity-port.js';
import { TemporalFault } from '../../../bridge/temporal/temporal-port.js';
import { delay } from '../../../bridge/timing.js';
import type {
  CapacitySettings,
  CapacityView,
  Lease,
  LeaseRequest,
  SettingsChange,
  WorkerReport,
} from '../../../workflows/capacity/contract.js';
import { CapacityState } from '../../../workflows/capacity/state.js';

/** A task queue's capacity in memory: the same state that the workflow holds, without a server. */
export class CapacityDouble implements CapacityPort {
  readonly #taskQueue: string;
  readonly #answers = new Map<string, Lease>();
  #state: CapacityState | undefined;
  /** Reports that wait for a worker. */
  readonly #waiting: WorkerReport[] = [];
  /** Whether there is a worker that runs the workflow. */
  worked = true;
  /** What every call fails with. */
  fault: TemporalFault | undefined;
  readonly requests: LeaseRequest[] = [];

  constructor(taskQueue = 'q') {
    this.#taskQueue = taskQueue;
  }

  async lease(request: LeaseRequest, timeoutMs: number): Promise<Lease> {
    this.requests.push(request);
    await this.#answering(timeoutMs);
    const id = `${request.bridge}-${request.sequence}`;
    const answer = this.#answers.get(id) ?? this.#living.lease(copy(request), Date.now());
    this.#answers.set(id, answer);
    return copy(answer);
  }

  async report(report: WorkerReport): Promise<void> {
    if (this.fault) throw this.fault;
    this.#state ??= CapacityState.fresh(this.#taskQueue);
    this.#waiting.push(copy(report));
    if (this.worked) this.#read();
  }

  async change(change: SettingsChange, timeoutMs: number): Promise<CapacitySettings> {
    await this.#answering(timeoutMs);
    try {
      return copy(this.#living.change(change, Date.now()));
    } catch (error) {
      throw new TemporalFault('rejected', (error as Error).message);
    }
  }

  async view(timeoutMs: number): Promise<CapacityView | undefined> {
    if (this.fault) throw this.fault;
    if (!this.#state) return undefined;
    await this.#answering(timeoutMs);
    return copy(this.#state.view(Date.now()));
  }

  async close(): Promise<void> {}

  /** As an operator would: nothing is left of it. */
  terminate(): void {
    this.#state = undefined;
    this.#answers.clear();
    this.#waiting.length = 0;
  }

  /** As after a continue-as-new. */
  continueAsNew(): void {
    this.#answers.clear();
    if (this.#state) this.#state = CapacityState.from(copy(this.#state.carry()));
  }

  get #living(): CapacityState {
    this.#state ??= CapacityState.fresh(this.#taskQueue);
    this.#read();
    return this.#state;
  }

  #read(): void {
    for (const report of this.#waiting.splice(0)) this.#state?.report(report, Date.now());
  }

  async #answering(timeoutMs: number): Promise<void> {
    if (this.fault) throw this.fault;
    if (this.worked) return;
    await delay(timeoutMs);
    throw new TemporalFault('systemic', `No worker on ${this.#taskQueue}-ktb answered in ${timeoutMs} ms`);
  }
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
