import { asyncLocalStorage, type Context } from '@temporalio/activity';

/** On the context, since a process may have loaded this package twice: the worker's copy and the handler's. */
const RELEASE = Symbol.for('ktb.releaseCapacity');

type Releasing = Context & { [RELEASE]?: () => void };

/** What {@link releaseCapacity} does in this call. */
export function onReleaseCapacity(context: Context, release: () => void): void {
  Object.defineProperty(context, RELEASE, { value: release, configurable: true });
}

export function releaseCapacityOf(context: Context): void {
  (context as Releasing)[RELEASE]?.();
}

/**
 * In an activity: gives the slot of its record back before it ends, so that the bridge starts another one in its place:
 * from here on it mostly waits. Again, in an activity without a record's slot, or outside of one, it does nothing.
 *
 * In workflow code it is `releaseCapacity` of `kafka-temporal-bridge/workflow`.
 *
 * @example
 * ```ts
 * export async function exportReport(report: Report) {
 *   const job = await warehouse.submit(report);
 *   releaseCapacity();
 *   await job.finished();
 * }
 * ```
 */
export function releaseCapacity(): void {
  const context = asyncLocalStorage.getStore();
  if (context) releaseCapacityOf(context);
}
