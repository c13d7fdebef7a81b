import { messageOf } from '../errors.js';
import { delay } from '../timing.js';
import type { Intake } from './intake.js';
import type { RecordSource } from './record-source.js';

export interface CommitterOptions {
  readonly source: Pick<RecordSource, 'commit'>;
  readonly intake: Pick<Intake, 'commitEntries' | 'committed' | 'epoch'>;
  readonly intervalMs: number;
  /** `skipped`: there was nothing to commit. */
  readonly onCommit?: (result: 'success' | 'failure' | 'skipped', seconds: number, why?: string) => void;
}

/** Commits what may be committed, in batches, one call at a time. What is refused stays, and goes with the next one. */
export class Committer {
  readonly #options: CommitterOptions;
  #underWay: Promise<void> = Promise.resolve();

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(this.#options.intervalMs, signal);
      if (!signal.aborted) await this.flush();
    }
  }

  /** Never rejects. */
  flush(): Promise<void> {
    this.#underWay = this.#underWay.then(() => this.#commit());
    return this.#underWay;
  }

  async #commit(): Promise<void> {
    const { source, intake, onCommit } = this.#options;
    const entries = intake.commitEntries();
    if (entries.length === 0) return onCommit?.('skipped', 0);
    const { epoch } = intake;
    const begun = performance.now();
    try {
      await source.commit(entries);
      intake.committed(entries, epoch);
      onCommit?.('success', (performance.now() - begun) / 1000);
    } catch (error) {
      onCommit?.('failure', (performance.now() - begun) / 1000, messageOf(error));
    }
  }
}
