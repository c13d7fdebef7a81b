import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' | 'major' }) => void;

/** Dead bytes of buffers, beside those that are held, that are worth a collection. */
const MINOR_BYTES = 8 * 1024 * 1024;
const MAJOR_BYTES = 12 * 1024 * 1024;
/** And of the heap, beside what was in use: a fetch leaves thousands of small objects. */
const HEAP_BYTES = 24 * 1024 * 1024;
const LOOK_MS = 25;
const IDLE_LOOKS = 40;
const MAJOR_EVERY_MS = 100;

/**
 * V8 counts the bytes of buffers outside of its heap, and lets some 64 MB of dead ones pile up before it looks for them;
 * records, fetches and requests are little else. So it is asked to look sooner: 200 MB became less than 80 with a
 * backlog of records of 100 kB. With nothing piled up it is never asked.
 *
 * @param held bytes of buffers that are in use, as far as the caller knows
 * @returns ends it
 */
export function collectDeadBuffers(held: () => number): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  const idle = process.memoryUsage();
  let heapInUse = idle.heapUsed;
  let lastMajor = 0;
  let looksLeft = 0;
  const timer = setInterval(() => {
    const bytes = held();
    // An idle bridge looks once a second: the question alone costs a tenth of a millisecond.
    if (bytes === 0 && looksLeft-- > 0) return;
    looksLeft = IDLE_LOOKS;
    const live = idle.arrayBuffers + bytes;
    const beyond = (buffers: number, heap: number) => {
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      return arrayBuffers >= live + buffers || heapUsed >= heapInUse + heap;
    };
    if (!beyond(MINOR_BYTES, HEAP_BYTES)) return;
    collect({ type: 'minor' });
    const now = performance.now();
    // A whole collection takes some 15 ms: bounded, should these bytes be in use after all.
    if (!beyond(MAJOR_BYTES, HEAP_BYTES) || now - lastMajor < MAJOR_EVERY_MS) return;
    lastMajor = now;
    collect();
    heapInUse = Math.max(idle.heapUsed, process.memoryUsage().heapUsed);
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
