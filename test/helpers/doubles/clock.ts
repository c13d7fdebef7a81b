import { mock } from 'node:test';

/** Timers and `Date` of this process, moved by hand. For serial tests only: there is one clock. */
export interface FakeClock extends Disposable {
  /** Lets so much time pass, in small steps, and everything that follows from it happen. */
  advance(ms: number): Promise<void>;
  /** Lets time pass until the condition holds. @returns how many milliseconds it took @throws when it takes longer */
  advanceUntil(condition: () => boolean, maxMs?: number): Promise<number>;
}

/** A turn of the event loop: every promise that can settle without time has settled. */
export async function turn(times = 1): Promise<void> {
  for (let index = 0; index < times; index++) await new Promise<void>((resolve) => setImmediate(resolve));
}

const TURNS = 3;

/** Takes over `setTimeout`, `setInterval` and `Date`; `using clock = fakeClock()` gives them back. */
export function fakeClock(now = 1_700_000_000_000): FakeClock {
  const { emitWarning } = process;
  process.emitWarning = () => undefined; // on Node 20 it is called experimental
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now });
  process.emitWarning = emitWarning;
  const advance = async (ms: number): Promise<void> => {
    await turn(TURNS);
    for (let left = ms; left > 0;) {
      const step = Math.min(left, 50);
      mock.timers.tick(step);
      left -= step;
      await turn(TURNS);
    }
  };
  return {
    advance,
    async advanceUntil(condition, maxMs = 120_000) {
      await turn(TURNS);
      for (let passed = 0; passed <= maxMs; passed += 50) {
        if (condition()) return passed;
        await advance(50);
      }
      throw new Error(`Waited ${maxMs} ms of the fake clock in vain`);
    },
    [Symbol.dispose]: () => mock.timers.reset(),
  };
}
