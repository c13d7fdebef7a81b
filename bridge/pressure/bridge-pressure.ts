import type { Admission } from '../admission/admission.js';
import type { PressureOptions } from '../config/types.js';
import type { Logger } from '../observe/logger.js';
import { MachinePressure, type MachineFigures, type MachinePressureOptions } from './machine-pressure.js';
import { PollSize } from './poll-size.js';

/** What a bridge makes of pressure, for status and metrics. */
export interface PressureState {
  /** Of this machine and of the workers': `memory`, `cpu`, `event-loop`, `slots`, `response`; none while all is calm. */
  readonly reasons: readonly string[];
  /** Records that are taken from a partition at a time now. */
  readonly pollRecords: number;
  /** Whether records of low priority wait in Kafka. */
  readonly lowWaits: boolean;
  /** Records that had to wait for it, so far. */
  readonly deferred: number;
  /** The last look at this machine. */
  readonly machine: MachineFigures;
}

export interface BridgePressureOptions {
  readonly pressure: Required<PressureOptions>;
  readonly maxPollRecords: number;
  readonly admission: Pick<Admission, 'raiseFloor' | 'lowerFloor'>;
  /** What the workers tell; none where it is not known, or too old to be true. */
  readonly workers: () => readonly string[];
  /** A record waits for it. */
  readonly onDeferred?: () => void;
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** @default this process's */
  readonly machine?: Pick<MachinePressureOptions, 'usage' | 'eventLoopMs'>;
}

/** Admission's reason, and what `onDeferred` says. */
export const PRESSURE = 'pressure';

/**
 * Takes less at a time while this machine or the workers' are under pressure, and keeps low priority in Kafka where the
 * config says so. Nothing is dropped: what is not taken is read again.
 */
export class BridgePressure {
  readonly #options: BridgePressureOptions;
  readonly #machine: MachinePressure;
  readonly #pollSize: PollSize;
  #reasons: readonly string[] = [];
  #lowWaits = false;
  #deferred = 0;

  constructor(options: BridgePressureOptions) {
    this.#options = options;
    const { pressure, maxPollRecords } = options;
    this.#pollSize = new PollSize({ maximum: maxPollRecords, minimum: pressure.minimumPollRecords });
    this.#machine = new MachinePressure({
      ...options.machine,
      thresholds: pressure,
      onSample: () => this.#step(),
    });
  }

  /** Looks once a second, until it is closed. */
  start(): void {
    this.#machine.start();
  }

  get pollRecords(): number {
    return this.#pollSize.size;
  }

  /** A record waits, for admission's reason. */
  deferred(reason: string): void {
    if (reason !== PRESSURE) return;
    this.#deferred++;
    this.#options.onDeferred?.();
  }

  state(): PressureState {
    return {
      reasons: this.#reasons,
      pollRecords: this.pollRecords,
      lowWaits: this.#lowWaits,
      deferred: this.#deferred,
      machine: this.#machine.figures,
    };
  }

  /** Lets wait what waits: whoever closes drains. */
  close(): void {
    this.#machine.close();
  }

  #step(): void {
    const reasons = [...new Set<string>([...this.#machine.reasons(), ...this.#options.workers()])];
    this.#pollSize.step(reasons.length > 0);
    this.#tell(reasons);
    this.#reasons = reasons;
    this.#holdLow(reasons.length > 0 && this.#options.pressure.low === 'wait');
  }

  #holdLow(waits: boolean): void {
    if (waits === this.#lowWaits) return;
    this.#lowWaits = waits;
    const { admission } = this.#options;
    if (waits) admission.raiseFloor(PRESSURE, 'medium');
    else admission.lowerFloor(PRESSURE);
  }

  #tell(reasons: readonly string[]): void {
    const { logger } = this.#options;
    if (reasons.join() === this.#reasons.join()) return;
    const { machine } = this.state();
    if (reasons.length > 0) {
      logger.warn({ reasons, ...machine }, 'under pressure: fewer records are taken at a time');
    } else {
      logger.info({ ...machine }, 'no longer under pressure');
    }
  }
}
