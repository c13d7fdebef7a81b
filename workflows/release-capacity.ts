/**
 * For workflow code, `kafka-temporal-bridge/workflow`: what a record's workflow says of its slot. (In activities it is
 * `releaseCapacity` of `kafka-temporal-bridge`, or the third argument of an activity route's function.)
 */

/** On the global object, since a bundle may hold this package twice; each workflow has a global object of its own. */
const RELEASED = Symbol.for('ktb.releaseCapacity');

/**
 * Gives the record's slot back before its workflow closes, so that the bridge starts another one in its place: from here
 * on the workflow mostly waits, or works for nobody who waits. It is no command: it may be added to, or taken out of,
 * workflows that run. Again, or in a workflow without a slot, it does nothing.
 *
 * A timer of more than 10 s and a child workflow release by themselves.
 *
 * @example
 * ```ts
 * import { releaseCapacity } from 'kafka-temporal-bridge/workflow';
 *
 * export async function fulfilOrder(order: Order) {
 *   await reserve(order);
 *   releaseCapacity();
 *   await condition(() => approved);
 *   await ship(order);
 * }
 * ```
 */
export function releaseCapacity(): void {
  (globalThis as Record<symbol, unknown>)[RELEASED] = true;
}

/** @internal */
export function capacityIsReleased(): boolean {
  return (globalThis as Record<symbol, unknown>)[RELEASED] === true;
}
