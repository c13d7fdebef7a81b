import { delay } from '../timing.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import type { Admission } from './admission.js';

const REASON = 'backlog';
const POLL_MS = 500;
/** With nothing started lately the backlog can only shrink: ask seldom. */
const IDLE_POLL_MS = 5_000;

export interface BacklogGateOptions {
  readonly port: Pick<TemporalPort, 'backlog'>;
  readonly admission: Pick<Admission, 'hold' | 'lift'>;
  readonly taskQueues: readonly string[];
  /** Tasks that may wait in all queues together; intake resumes at half. */
  readonly maxBacklog: number;
  readonly onChange?: (held: boolean, backlog: number) => void;
  /** After each look. */
  readonly onLook?: () => void;
}

/** What the server has told, and nothing of our own. */
export interface BacklogLook {
  readonly count: number;
  readonly polled: boolean;
  /** By `performance.now()`: when it was asked. */
  readonly askedAt: number;
}

/**
 * Intake pauses while more tasks wait for a worker than allowed. Between two looks it counts what was started, so that
 * a burst can't outrun the poll: at most `maxBacklog` tasks wait, and what the workers took since the last look.
 */
export class BacklogGate {
  readonly #options: BacklogGateOptions;
  #seen = 0;
  /** Started before the last look, but so shortly that the server may not have counted it yet. */
  #startedLately = 0;
  #startedSince = 0;
  #held = false;
  #lastLook: BacklogLook | undefined;
  #hurry: (() => void) | undefined;

  constructor(options: BacklogGateOptions) {
    this.#options = options;
  }

  /** A record was started: one more task waits, as far as we know. */
  started(): void {
    this.#startedSince++;
    this.#hurry?.();
    if (!this.#held && this.backlog >= this.#options.maxBacklog) this.#set(true);
  }

  get held(): boolean {
    return this.#held;
  }

  get backlog(): number {
    return this.#seen + this.#startedLately + this.#startedSince;
  }

  get lastLook(): BacklogLook | undefined {
    return this.#lastLook;
  }

  /** Looks until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedBefore = this.#startedSince;
      const askedAt = performance.now();
      try {
        const { port, taskQueues } = this.#options;
        const all = await Promise.all(taskQueues.map((taskQueue) => port.backlog(taskQueue)));
        const count = all.reduce((total, one) => total + one.count, 0);
        const polled = all.some((one) => one.polled);
        this.#lastLook = { count, polled, askedAt };
        this.#looked(count, startedBefore, polled);
        this.#options.onLook?.();
      } catch {
        // Temporal is away: nothing is started anyway, and what was seen stays.
      }
      await this.#rest(signal);
    }
  }

  /** What is started in a quiet time is looked after soon. */
  async #rest(signal: AbortSignal): Promise<void> {
    if (!this.#held && this.backlog === 0) {
      const hurry = new AbortController();
      const now = (this.#hurry = () => hurry.abort());
      signal.addEventListener('abort', now, { once: true });
      await delay(signal.aborted ? 0 : IDLE_POLL_MS - POLL_MS, hurry.signal);
      signal.removeEventListener('abort', now);
      this.#hurry = undefined;
    }
    await delay(POLL_MS, signal);
  }

  #looked(count: number, startedBefore: number, polled: boolean): void {
    // Without a worker nothing is taken, and the server counts late: our own count is the better one.
    const untaken = polled ? 0 : this.#seen + this.#startedLately + startedBefore;
    this.#seen = Math.max(count, untaken);
    this.#startedLately = polled ? startedBefore : 0;
    this.#startedSince -= startedBefore;
    const { maxBacklog } = this.#options;
    if (this.#held && this.backlog <= maxBacklog / 2) this.#set(false);
    else if (!this.#held && this.backlog >= maxBacklog) this.#set(true);
  }

  #set(held: boolean): void {
    this.#held = held;
    if (held) this.#options.admission.hold(REASON);
    else this.#options.admission.lift(REASON);
    this.#options.onChange?.(held, this.backlog);
  }
}
