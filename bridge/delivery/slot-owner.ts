import type { TemporalPort } from '../temporal/temporal-port.js';

/** What may come again comes first in an assignment; after so many in a row that were new nothing more is asked. */
const SURE_AFTER = 20;

/**
 * Whether a record's execution runs with the slot of this start, or with that of an earlier one. Temporal's answer to a
 * start that it has met before is the same as to a new one while the execution runs, so its memo is asked. Without it
 * whoever takes over from a bridge that was killed holds each record's slot twice until the slot's lease ends.
 */
export class SlotOwner {
  readonly #inARow = new WeakMap<AbortSignal, number>();

  /**
   * @param assignment of the partition: its signal stands for it
   * @returns false also where Temporal can't be asked: the slot's lease ends anyway
   */
  async isAnother(
    { workflowId, runId }: { readonly workflowId: string; readonly runId: string | undefined },
    slot: string,
    port: Pick<TemporalPort, 'describe'>,
    assignment: AbortSignal,
  ): Promise<boolean> {
    const inARow = this.#inARow.get(assignment) ?? 0;
    if (inARow >= SURE_AFTER) return false;
    const found = await port.describe(workflowId, runId).catch(() => undefined);
    if (!found) return false;
    const isAnother = (found.memo as { readonly slot?: unknown }).slot !== slot;
    this.#inARow.set(assignment, isAnother ? 0 : (this.#inARow.get(assignment) ?? 0) + 1);
    return isAnother;
  }
}
