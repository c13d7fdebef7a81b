/**
 * A small state that outlives every process of a subscription. Adapters: `SdkCursorPort` (the real server) and, in tests,
 * a double; one contract test runs against both.
 */
export interface CursorPort {
  /** What was kept last; undefined where nothing was. @throws TemporalFault */
  read(): Promise<unknown>;
  /**
   * Keeps what `change` makes of what is kept. Of two that do it at the same time one may be without effect: whoever needs
   * its own to last reads it again, or makes it again.
   * @throws TemporalFault
   */
  update(change: (kept: unknown) => unknown): Promise<void>;
  close(): Promise<void>;
}
