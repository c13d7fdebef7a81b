import type { Logger } from '../observe/logger.js';
import type { Fates } from './fates.js';
import type { Outgoing } from './outgoing.js';
import type { SendBuffer } from './send-buffer.js';
import type { Spill } from './spill-file.js';
import { spillKey } from './spill-index.js';

export interface SpillReplayOptions {
  readonly spill: Spill;
  readonly fates: Fates;
  readonly buffer: SendBuffer;
  readonly enter: (record: Outgoing) => void;
  readonly logger: Logger;
}

/** Of one partition at a time in memory. */
const AT_A_TIME = 200;
/** Of all partitions together. */
const AT_MOST = 1_000;

/** Brings the records of the spill file back, in order, and keeps later ones of their partitions behind them. */
export class SpillReplay {
  readonly #options: SpillReplayOptions;
  readonly #loading = new Set<string>();

  constructor(options: SpillReplayOptions) {
    this.#options = options;
  }

  /** Whether nothing that is older, of its partition, stands in the file. */
  mayLeave({ topic, partition, order, spilledAs }: Outgoing): boolean {
    const { spill } = this.#options;
    if (spill.records === 0) return true;
    const own = spillKey(topic, partition);
    const unplaced = spillKey(topic, undefined);
    // Those of its own key are in memory in order: the file's first ones.
    return (
      (spilledAs === own || order < spill.first(own)) &&
      (spilledAs === unplaced || order < spill.first(unplaced))
    );
  }

  /** Loads what comes next, of every partition of which nothing is in memory. */
  load(): void {
    const { spill, fates } = this.#options;
    for (const key of spill.keys()) {
      if (fates.replaying + this.#loading.size * AT_A_TIME >= AT_MOST) return;
      if (fates.inMemory(key) === 0 && !this.#loading.has(key)) void this.#load(key);
    }
  }

  async #load(key: string): Promise<void> {
    const { spill, fates, buffer, enter, logger } = this.#options;
    this.#loading.add(key);
    try {
      for (const spilled of await spill.load(key, AT_A_TIME)) {
        const record: Outgoing = {
          ...spilled,
          priority: 'high',
          bytes: spilled.body.length,
          acceptedAtMs: Date.now(),
          deadlineMs: Infinity,
          ending: undefined,
          waits: false,
          spilledAs: undefined,
          finished: false,
          deadLetterOf: undefined,
        };
        buffer.force(record);
        fates.marked(record, key);
        enter(record);
      }
    } catch (error) {
      logger.error({ err: error, key }, 'records of the spill file can not be read');
    } finally {
      this.#loading.delete(key);
    }
  }
}
