import { delay } from '../timing.js';

/** Each call of what it gives waits for its turn: so many a second, evenly. */
export function paced(perSecond: number | undefined, signal: AbortSignal | undefined): () => Promise<void> {
  if (perSecond === undefined) return () => Promise.resolve();
  let next = Date.now();
  let turn: Promise<void> = Promise.resolve();
  const wait = async () => {
    const at = Math.max(next, Date.now());
    next = at + 1000 / perSecond;
    await delay(at - Date.now(), signal);
  };
  // One behind the other: more than ten waits on one signal, and Node warns of a leak.
  return () => (turn = turn.then(wait));
}
