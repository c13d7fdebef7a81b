import type { TopicPartition } from '../intake/record-source.js';
import type { TemporalPort } from '../temporal/temporal-port.js';
import { delay } from '../timing.js';
import { ownsFirst } from './first-owner.js';

/** Visibility hears of a close later than it happens: what is younger is counted at the next look. */
const LAG_MS = 10_000;

export interface DeadLetterWatchOptions {
  readonly port: Pick<TemporalPort, 'countFailed' | 'capabilities'>;
  readonly routes: readonly string[];
  readonly taskQueues: readonly string[];
  /** The topics of the subscription that exist. @throws where Kafka is away */
  readonly topics: () => Promise<readonly string[]>;
  /** The partitions that are ours. */
  readonly owned: () => readonly TopicPartition[];
  readonly onDeadLetters: (route: string, count: number) => void;
  /** @default 60000 */
  readonly everyMs?: number;
  /** @default 10000 */
  readonly lagMs?: number;
}

/**
 * A bridge sees a workflow begin, and not how it ends. So visibility is asked how many have failed since the last look:
 * seldom, and by one bridge of the group, or each would tell of the same dead letters.
 */
export class DeadLetterWatch {
  readonly #options: DeadLetterWatchOptions;
  #from: number;

  constructor(options: DeadLetterWatchOptions, now: number = Date.now()) {
    this.#options = options;
    this.#from = now;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(this.#options.everyMs ?? 60_000, signal);
      if (signal.aborted) return;
      // Kafka or Temporal is away: the next look begins where this one would have.
      await this.look().catch(() => undefined);
    }
  }

  /** @throws TemporalFault, and what Kafka throws */
  async look(now: number = Date.now()): Promise<void> {
    const { port, routes, taskQueues, onDeadLetters, lagMs = LAG_MS } = this.#options;
    const between = { taskQueues, from: this.#from, to: now - lagMs };
    if (between.to <= between.from) return;
    if (await this.#isOurs()) {
      const { searchAttributes } = await port.capabilities();
      if (searchAttributes.has('KtbRoute') && (await port.countFailed({ ...between, routes })) > 0) {
        const counts = await Promise.all(
          routes.map((route) => port.countFailed({ ...between, routes: [route] })),
        );
        counts.forEach((count, index) => count > 0 && onDeadLetters(routes[index]!, count));
      }
    }
    // Others' looks too: who takes over counts from here, and nothing falls between.
    this.#from = between.to;
  }

  async #isOurs(): Promise<boolean> {
    const owned = this.#options.owned();
    if (!owned.some(({ partition }) => partition === 0)) return false;
    return ownsFirst(owned, await this.#options.topics());
  }
}
