import type { PressureOptions } from '../config/types.js';
import { MachineUsage } from './machine-usage.js';
import { Threshold } from './threshold.js';

export type MachineReason = 'memory' | 'cpu' | 'event-loop';

/** The last sample, for metrics. */
export interface MachineFigures {
  /** A share of the limit, as `cpu`. */
  readonly memory: number;
  /** `undefined` until it was measured. */
  readonly cpu: number | undefined;
  /** The longest time by which the event loop was late, in the last second. */
  readonly eventLoopMs: number;
}

export interface MachinePressureOptions {
  readonly thresholds: Readonly<Required<Pick<PressureOptions, 'memory' | 'cpu' | 'eventLoopMs'>>>;
  /** Called after each sample. */
  readonly onSample?: () => void;
  readonly usage?: Pick<MachineUsage, 'look'>;
  /** The longest time by which the event loop was late since the last call. */
  readonly eventLoopMs?: () => number;
}

const SAMPLE_MS = 1_000;

/** How full the machine of this process is, looked at once a second; for bridges and workers alike. */
export class MachinePressure {
  readonly #options: MachinePressureOptions;
  readonly #usage: Pick<MachineUsage, 'look'>;
  readonly #thresholds: Readonly<Record<MachineReason, Threshold>>;
  #loopLag: LoopLag | undefined;
  #timer: NodeJS.Timeout | undefined;
  #figures: MachineFigures = { memory: 0, cpu: undefined, eventLoopMs: 0 };

  constructor(options: MachinePressureOptions) {
    this.#options = options;
    this.#usage = options.usage ?? new MachineUsage();
    const { memory, cpu, eventLoopMs } = options.thresholds;
    this.#thresholds = {
      memory: new Threshold(memory),
      cpu: new Threshold(cpu),
      'event-loop': new Threshold(eventLoopMs),
    };
  }

  /** Begins to look, until it is closed. Keeps no process alive. */
  start(): void {
    if (this.#timer !== undefined) return;
    if (this.#options.eventLoopMs === undefined) this.#loopLag = new LoopLag();
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  /** Why the machine is under pressure; empty where it is not. */
  reasons(): readonly MachineReason[] {
    return (['memory', 'cpu', 'event-loop'] as const).filter((reason) => this.#thresholds[reason].passed);
  }

  get figures(): MachineFigures {
    return this.#figures;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#loopLag?.close();
    this.#loopLag = undefined;
  }

  #sample(): void {
    const { memory, cpu } = this.#usage.look();
    const eventLoopMs = this.#options.eventLoopMs?.() ?? this.#loopLag?.take() ?? 0;
    this.#figures = { memory, cpu, eventLoopMs };
    this.#thresholds.memory.sample(memory);
    this.#thresholds.cpu.sample(cpu);
    this.#thresholds['event-loop'].sample(eventLoopMs);
    this.#options.onSample?.();
  }
}

/** Ten looks a second: each is a timer, and an idle process is to stay idle. */
const RESOLUTION_MS = 100;

/**
 * By how much a timer of its own comes too late. Node's `monitorEventLoopDelay` forgets at each `reset()` when it looked last,
 * so what blocks the loop right after one is never seen: that is a tenth of the time here.
 */
class LoopLag {
  #longest = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => this.#look(), RESOLUTION_MS).unref();

  /** The longest since the last call. */
  take(): number {
    this.#look();
    const longest = this.#longest;
    this.#longest = 0;
    return longest;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    this.#longest = Math.max(this.#longest, now - this.#last - RESOLUTION_MS);
    this.#last = now;
  }
}
