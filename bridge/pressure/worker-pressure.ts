import type { Sum, WorkerReport } from '../../workflows/capacity/contract.js';
import type { PressureOptions } from '../config/types.js';
import { MachinePressure, type MachineReason, type MachinePressureOptions } from './machine-pressure.js';
import { Threshold } from './threshold.js';

export interface WorkerPressureOptions {
  readonly pressure: Required<PressureOptions>;
  /** Activity slots, now. */
  readonly slots: () => WorkerReport['slots'];
  /** Of all handlers so far. */
  readonly responses: () => Sum;
  /** @default this process's */
  readonly machine?: Pick<MachinePressureOptions, 'usage' | 'eventLoopMs'>;
}

/** Samples, one a second: responses that are older say nothing of now. */
const WINDOW = 30;

/** Why a worker process can't well take more: its machine, its slots, its handlers. What it reports. */
export class WorkerPressure {
  readonly #options: WorkerPressureOptions;
  readonly #machine: MachinePressure;
  readonly #slots = new Threshold(0.5);
  readonly #response: Threshold;
  readonly #sums: Sum[] = [];

  constructor(options: WorkerPressureOptions) {
    this.#options = options;
    const { pressure, machine } = options;
    this.#response = new Threshold(pressure.responseMs);
    this.#machine = new MachinePressure({
      ...machine,
      thresholds: pressure,
      onSample: () => this.#sample(),
    });
  }

  start(): void {
    this.#machine.start();
  }

  reasons(): readonly (MachineReason | 'slots' | 'response')[] {
    return [
      ...this.#machine.reasons(),
      ...(this.#slots.passed ? (['slots'] as const) : []),
      ...(this.#response.passed ? (['response'] as const) : []),
    ];
  }

  close(): void {
    this.#machine.close();
  }

  #sample(): void {
    const { pressure, slots, responses } = this.#options;
    const { total, free } = slots();
    // None at all: nobody knows.
    this.#slots.sample(total === 0 ? undefined : Number(free < pressure.freeSlots));
    const now = responses();
    const before = this.#sums[0] ?? now;
    this.#sums.push(now);
    if (this.#sums.length > WINDOW) this.#sums.shift();
    const count = now.count - before.count;
    // Without responses it is over: or what waits for the end of it would keep it up for ever.
    this.#response.sample(count === 0 ? 0 : (now.sumMs - before.sumMs) / count);
  }
}
