import { delay } from '../../bridge/timing.js';
import { keyed, type Scene, type WorkEvent } from './scene.js';

export interface SentRecord {
  readonly key: string;
  readonly event: WorkEvent;
}

/** How often what is due is sent. */
const EVERY_MS = 250;

/** Produces so many records a second, each with a key of its own, until it is stopped. */
export class ConstantLoad implements AsyncDisposable {
  readonly #scene: Scene;
  readonly #perSecond: number;
  readonly #partitions: number;
  readonly #sent: SentRecord[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(scene: Scene, perSecond: number, partitions: number) {
    this.#scene = scene;
    this.#perSecond = perSecond;
    this.#partitions = partitions;
    this.#running = this.#run();
    // Whoever stops it hears of a failure; a test that stops it only at its end must not die of it before.
    this.#running.catch(() => undefined);
  }

  /** Records that Kafka has acknowledged. */
  get sent(): readonly SentRecord[] {
    return this.#sent;
  }

  /** @returns all that was sent @throws what a send threw */
  async stop(): Promise<readonly SentRecord[]> {
    this.#stop.abort();
    await this.#running;
    return this.#sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
  }

  async #run(): Promise<void> {
    const begun = performance.now();
    while (!this.#stop.signal.aborted) {
      await delay(EVERY_MS, this.#stop.signal);
      const due = Math.floor(((performance.now() - begun) / 1000) * this.#perSecond);
      const next = Array.from({ length: due - this.#sent.length }, (_, index) => {
        const n = this.#sent.length + index;
        return {
          key: `k${n}`,
          event: { n, sleepMs: 50 } satisfies WorkEvent,
          partition: n % this.#partitions,
        };
      });
      if (next.length === 0) continue;
      await this.#scene.produce(next.map((one) => keyed(one.key, one.event, one.partition)));
      this.#sent.push(...next);
    }
  }
}
