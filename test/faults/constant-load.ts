import { delay } from '../../bridge/timing.js';
import type { TestMessage } from '../helpers/kafka.js';
import type { Scene } from './scene.js';

export interface SentRecord<E> {
  readonly key: string;
  readonly event: E;
  /** Epoch ms: when it was sent, at the earliest. */
  readonly at: number;
}

export interface ConstantLoadOptions<E> {
  readonly perSecond: number;
  /** Before the number that a record's key ends with. @default 'k' */
  readonly prefix?: string;
  readonly event: (n: number) => E;
  readonly partition: (n: number) => number;
  /** Beside the idempotency key. */
  readonly headers?: TestMessage['headers'];
}

/** How often what is due is sent. */
const EVERY_MS = 250;

/** Produces so many records a second, each with a key of its own, until it is stopped. */
export class ConstantLoad<E> implements AsyncDisposable {
  readonly #scene: Scene;
  readonly #options: ConstantLoadOptions<E>;
  readonly #sent: SentRecord<E>[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(scene: Scene, options: ConstantLoadOptions<E>) {
    this.#scene = scene;
    this.#options = options;
    this.#running = this.#run();
    // Whoever stops it hears of a failure; a test that stops it only at its end must not die of it before.
    this.#running.catch(() => undefined);
  }

  /** Records that Kafka has acknowledged. */
  get sent(): readonly SentRecord<E>[] {
    return this.#sent;
  }

  /** @returns all that was sent @throws what a send threw */
  async stop(): Promise<readonly SentRecord<E>[]> {
    this.#stop.abort();
    await this.#running;
    return this.#sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { perSecond, prefix = 'k', event, partition, headers } = this.#options;
    const begun = performance.now();
    while (!this.#stop.signal.aborted) {
      await delay(EVERY_MS, this.#stop.signal);
      const due = Math.floor(((performance.now() - begun) / 1000) * perSecond);
      const at = Date.now();
      const next = Array.from({ length: due - this.#sent.length }, (_, index) => {
        const n = this.#sent.length + index;
        return { key: `${prefix}${n}`, event: event(n), partition: partition(n), at };
      });
      if (next.length === 0) continue;
      await this.#scene.produce(
        next.map((one) => ({
          partition: one.partition,
          key: one.key,
          value: JSON.stringify(one.event),
          headers: { 'idempotency-key': one.key, ...headers },
        })),
      );
      this.#sent.push(...next);
    }
  }
}
