import type { CursorPort } from '../../../bridge/temporal/cursor-port.js';
import { TemporalFault } from '../../../bridge/temporal/temporal-port.js';

/** A cursor in memory, as JSON: what is not JSON does not come back. */
export class CursorDouble implements CursorPort {
  kept: string | undefined;
  /** The next calls fail, without effect. */
  failures = 0;
  updates = 0;

  async read(): Promise<unknown> {
    this.#enter();
    return this.kept === undefined ? undefined : (JSON.parse(this.kept) as unknown);
  }

  async update(change: (kept: unknown) => unknown): Promise<void> {
    this.#enter();
    this.updates++;
    this.kept = JSON.stringify(change(this.kept === undefined ? undefined : JSON.parse(this.kept)));
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #enter(): void {
    if (this.failures === 0) return;
    this.failures--;
    throw new TemporalFault('systemic', 'Temporal is away', { status: 'UNAVAILABLE' });
  }
}
