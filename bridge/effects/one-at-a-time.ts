import { AsyncLocalStorage } from 'node:async_hooks';
import { BridgeError } from '../errors.js';

interface Running {
  readonly within: Running | undefined;
  done: boolean;
}

const running = new WeakMap<object, Running>();
const current = new AsyncLocalStorage<Running>();

/**
 * Runs one call at a time on a transaction. Savepoints are a stack: were two calls side by side, as by `Promise.all`,
 * one that fails would take the other's effect with it, after that one has said that it was applied. A call inside of
 * the one that runs is well nested, and may.
 *
 * @throws BridgeError `KTB_USAGE`
 */
export async function oneAtATime<T>(tx: object, work: () => Promise<T>): Promise<T> {
  const latest = running.get(tx);
  // A call inside outlives the one around it where nobody awaited it: what is over holds nobody up.
  const outer = latest?.done === true ? undefined : latest;
  const within = current.getStore();
  if (outer !== undefined && !isInside(within, outer)) {
    throw new BridgeError(
      'KTB_USAGE',
      'Expected one call of `onceIn` at a time in a transaction, got a second one while the first runs: await one after the other',
    );
  }
  const call: Running = { within, done: false };
  running.set(tx, call);
  try {
    return await current.run(call, work);
  } finally {
    call.done = true;
    if (running.get(tx) === call) {
      if (outer === undefined) running.delete(tx);
      else running.set(tx, outer);
    }
  }
}

function isInside(call: Running | undefined, outer: Running): boolean {
  for (let at = call; at !== undefined; at = at.within) if (at === outer) return true;
  return false;
}
