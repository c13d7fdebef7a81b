import { keyOf } from '../intake/intake.js';
import type { PartitionState } from '../intake/partition-state.js';
import { delay } from '../timing.js';
import type { Observed } from './observed.js';

const EVERY_MS = 10_000;
const STALLED_MS = 5 * 60_000;
const NAMED = 5;

interface Standing {
  readonly since: number;
  readonly mark: string;
  told: boolean;
}

export interface StallWatchOptions {
  readonly observe: () => Observed;
  readonly onStalled: (partitions: readonly PartitionState[], message: string) => void;
  /** @default 300000 */
  readonly stalledMs?: number;
}

/** Up, and nothing moves: said once of a partition that has something to do, and again only after it has moved. */
export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #standing = new Map<string, Standing>();

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(EVERY_MS, signal);
      if (!signal.aborted) this.look();
    }
  }

  look(now: number = Date.now()): void {
    const { observe, onStalled, stalledMs = STALLED_MS } = this.#options;
    const observed = observe();
    // One that was stopped has its own alert, and needs a restart.
    const busy = new Map(
      observed.partitions
        .filter((state) => hasWork(state) && !isPaused(state, observed))
        .map((state) => [keyOf(state), state]),
    );
    for (const key of this.#standing.keys()) if (!busy.has(key)) this.#standing.delete(key);
    const stalled: PartitionState[] = [];
    for (const [key, state] of busy) {
      const mark = `${state.epoch} ${state.next} ${state.committed} ${state.lastProgressAt}`;
      const known = this.#standing.get(key);
      if (known?.mark !== mark) this.#standing.set(key, { since: now, mark, told: false });
      else if (!known.told && now - known.since >= stalledMs) {
        known.told = true;
        stalled.push(state);
      }
    }
    if (stalled.length > 0) onStalled(stalled, messageFor(stalled, observed, stalledMs));
  }
}

function hasWork({ stopped, incomplete, logEnd, next, committed }: PartitionState): boolean {
  return stopped === undefined && (incomplete > 0 || logEnd > (next ?? committed ?? logEnd));
}

/** By an operator, who knows. */
function isPaused({ blockedBy }: PartitionState, { admission, holds }: Observed): boolean {
  if (admission.holds.includes('paused')) return true;
  return holds.some(({ reason, message }) => reason === 'operator' && message === blockedBy);
}

function messageFor(stalled: readonly PartitionState[], observed: Observed, stalledMs: number): string {
  const names = stalled.slice(0, NAMED).map(keyOf).join(', ');
  const more = stalled.length > NAMED ? ` and ${stalled.length - NAMED} more` : '';
  const minutes = Math.round(stalledMs / 60_000);
  return `${names}${more} did not move for ${minutes} minutes, with something to do: ${causeOf(stalled, observed)}`;
}

function causeOf(stalled: readonly PartitionState[], { admission, reason }: Observed): string {
  const blocked = stalled.find(({ blockedBy }) => blockedBy !== undefined)?.blockedBy;
  if (blocked !== undefined) return blocked;
  if (admission.holds.length > 0) return `intake is held by ${admission.holds.join(' and ')}`;
  if (reason !== undefined) return reason;
  if (admission.waiting > 0) return `records wait for a permit (${admission.inFlight} of ${admission.limit})`;
  return 'no cause is known; `ktb doctor` looks for one';
}
