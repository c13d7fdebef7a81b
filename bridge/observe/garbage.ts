import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' | 'major' }) => void;

/** Dead bytes beside what is held that are worth a collection. */
const MINOR_BYTES = 8 * 1024 * 1024;
const MAJOR_BYTES = 12 * 1024 * 1024;
/** With less than this held there is little to win. */
const WORTHWHILE_BYTES = 4 * 1024 * 1024;
const LOOK_MS = 25;
const MAJOR_EVERY_MS = 100;

/**
 * V8 counts the bytes of buffers outside of its heap, and lets some 64 MB of dead ones pile up before it looks for them;
 * records, fetches and requests are little else. So while there is work it is asked to look sooner: 200 MB became
 * less than 80 with records of 100 kB; with small ones nothing piles up, and it is never asked.
 *
 * @param held bytes of buffers that are in use, as far as the caller knows
 * @returns ends it
 */
export function collectDeadBuffers(held: () => number): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  const used = () => process.memoryUsage().arrayBuffers;
  const idle = used();
  const heap = process.memoryUsage().heapUsed;
  let lastMajor = 0;
  const timer = setInterval(() => {
    const live = held();
    if (live < WORTHWHILE_BYTES) return;
    const inUse = idle + live;
    if (used() < inUse + MINOR_BYTES && process.memoryUsage().heapUsed < heap + MINOR_BYTES) return;
    collect({ type: 'minor' });
    const now = performance.now();
    // A whole collection takes some 15 ms: bounded, should these bytes be in use after all.
    if (used() < inUse + MAJOR_BYTES || now - lastMajor < MAJOR_EVERY_MS) return;
    lastMajor = now;
    collect();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
