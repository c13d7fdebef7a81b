import { delay } from '../../bridge/timing.js';
import { committedOffsets, logEnds } from '../helpers/kafka.js';
import { until } from '../helpers/until.js';
import type { Scene } from './scene.js';

interface LagSample {
  /** By `performance.now()`. */
  readonly at: number;
  readonly lag: number;
  /** Partitions that are behind, by how much. */
  readonly behind: Readonly<Record<string, number>>;
}

/** How often Kafka is asked. */
const EVERY_MS = 300;
/** So many looks in a row: one alone may fall between two of the producer's sends. */
const IN_A_ROW = 3;

/** Looks again and again at how far the group is behind: log end less committed offset, over all partitions. */
export class LagWatch implements AsyncDisposable {
  readonly #scene: Scene;
  readonly #samples: LagSample[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#running = this.#run();
  }

  /** The most that was seen since then. */
  mostSince(at: number): number {
    return Math.max(0, ...this.#samples.filter((one) => one.at >= at).map(({ lag }) => lag));
  }

  /** What was seen since then, every few seconds, for whoever asks why it took so long. */
  trailSince(at: number): readonly string[] {
    return this.#samples
      .filter((one) => one.at >= at)
      .filter((_, index) => index % 10 === 0)
      .map((one) => `after ${Math.round((one.at - at) / 1000)} s: ${JSON.stringify(one.behind)}`);
  }

  /** How many looks there were since then. */
  looksSince(at: number): number {
    return this.#samples.filter((one) => one.at >= at).length;
  }

  /** Waits until it is at most so much, and stays so. @returns when that was first seen, by `performance.now()` */
  async backTo(most: number, since: number, timeoutMs: number): Promise<number> {
    const found = await until(() => this.#firstBack(most, since), {
      what: `the lag to be at most ${most}`,
      timeoutMs,
    });
    return found!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #firstBack(most: number, since: number): number | undefined {
    const seen = this.#samples.filter((one) => one.at >= since);
    const index = seen.findIndex(
      (_, at) =>
        at + IN_A_ROW <= seen.length && seen.slice(at, at + IN_A_ROW).every(({ lag }) => lag <= most),
    );
    return seen[index]?.at;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // A broker that is busy is asked again; whoever waits for looks that never come hears of it.
      await this.#look().catch(() => undefined);
      await delay(EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const { stack, groupId, topic } = this.#scene;
    const { brokers } = stack.kafka;
    // Commits first: what is produced between the two questions counts as lag, never as less than none.
    const committed = await committedOffsets(brokers, groupId, topic);
    const ends = await logEnds(brokers, topic);
    const at = new Map(committed.map(({ partition, offset }) => [partition, offset]));
    const behind = ends.flatMap(({ partition, low, offset }) => {
      const from = at.get(partition) ?? -1n;
      const lag = Number(offset - (from < 0n ? low : from));
      return lag > 0 ? [[String(partition), lag] as const] : [];
    });
    const lag = behind.reduce((sum, [, one]) => sum + one, 0);
    this.#samples.push({ at: performance.now(), lag, behind: Object.fromEntries(behind) });
  }
}
