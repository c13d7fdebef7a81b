import { setTimeout as delay } from 'node:timers/promises';

/** What a kill loop needs of its victims: a `StartedProcess` and a `ManagedServer` both are one. */
export interface Victim {
  readonly name: string;
  readonly exited: Promise<unknown>;
  signal(name: NodeJS.Signals): unknown;
}

/** One thing that was done. */
export interface Strike {
  /** Milliseconds since the loop began. */
  readonly atMs: number;
  readonly victim: string;
  readonly how: 'kill' | 'freeze';
  /** How long it was stopped, for a freeze. */
  readonly forMs?: number;
  /** Milliseconds since the loop began: when it was back. */
  readonly revivedAtMs: number;
}

export interface KillLoopOptions<V extends Victim> {
  /** The same seed draws the same pauses, choices and freezes. */
  readonly seed: number;
  /** The shortest and the longest pause before a strike. */
  readonly everyMs: readonly [number, number];
  /** Ends after so many. @default until `stop()` */
  readonly times?: number;
  /** Who may be struck now; asked before each strike. None: the turn is passed, and not counted. */
  readonly targets: () => readonly V[];
  /** Starts again what was killed; not called after a freeze. The next pause begins when it has resolved. */
  readonly revive: (victim: V) => unknown;
  /** Instead of a kill, with this probability: SIGSTOP, and SIGCONT after so long. @default never */
  readonly freeze?: { readonly probability: number; readonly forMs: readonly [number, number] };
  /** Told of each strike, when it is over. */
  readonly onStrike?: (strike: Strike) => void;
  /** How time is waited out; tests give their own. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

export interface KillLoop extends AsyncDisposable {
  readonly seed: number;
  readonly strikes: readonly Strike[];
  /** Resolves after `times` strikes or `stop()`; rejects with what `targets` or `revive` threw. */
  readonly done: Promise<readonly Strike[]>;
  /** No further strikes; whoever is frozen or dead now is brought back first. */
  stop(): Promise<readonly Strike[]>;
}

/**
 * Kills (SIGKILL) or freezes a random target again and again, one at a time.
 * @example
 * const loop = killLoop({ seed: 7, everyMs: [5_000, 15_000], times: 5, targets: () => [bridge],
 *   revive: () => { bridge = startKtb('bridge', ['bridge']); } });
 * await loop.done;
 */
export function killLoop<V extends Victim>(options: KillLoopOptions<V>): KillLoop {
  const stopping = new AbortController();
  const strikes: Strike[] = [];
  const done = run(options, strikes, stopping.signal);
  // `stop()` and `done` both tell of a failure; a test that asks only at its end must not die of it before.
  done.catch(() => {});
  const stop = async (): Promise<readonly Strike[]> => {
    stopping.abort();
    return done;
  };
  return { seed: options.seed, strikes, done, stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

async function run<V extends Victim>(
  options: KillLoopOptions<V>,
  strikes: Strike[],
  signal: AbortSignal,
): Promise<readonly Strike[]> {
  const random = seededRandom(options.seed);
  const between = ([min, max]: readonly [number, number]): number => Math.round(min + random() * (max - min));
  const sleep = async (ms: number): Promise<void> => {
    await (options.sleep ?? pause)(ms, signal);
  };
  const began = performance.now();
  const now = (): number => Math.round(performance.now() - began);
  while (!signal.aborted && strikes.length < (options.times ?? Infinity)) {
    await sleep(between(options.everyMs));
    if (signal.aborted) break;
    const targets = options.targets();
    // All are drawn in every turn, whatever happens to be there: else one missing target would shift all that follows.
    const [pick, freezes] = [random(), random()];
    const frozenMs = options.freeze === undefined ? 0 : between(options.freeze.forMs);
    const victim = targets[Math.floor(pick * targets.length)];
    if (victim === undefined) continue;
    const at = { atMs: now(), victim: victim.name };
    let strike: Strike;
    if (options.freeze !== undefined && freezes < options.freeze.probability) {
      victim.signal('SIGSTOP');
      try {
        await sleep(frozenMs);
      } finally {
        victim.signal('SIGCONT');
      }
      strike = { ...at, how: 'freeze', forMs: now() - at.atMs, revivedAtMs: now() };
    } else {
      victim.signal('SIGKILL');
      await victim.exited;
      await options.revive(victim);
      strike = { ...at, how: 'kill', revivedAtMs: now() };
    }
    strikes.push(strike);
    options.onStrike?.(strike);
  }
  return strikes;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}

/** mulberry32: numbers in [0, 1) that a seed repeats. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
