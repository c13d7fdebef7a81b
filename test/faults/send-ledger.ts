import type { Producer, SendError } from '../../bridge/index.js';
import type { ReadMessage } from '../helpers/kafka.js';

/** The endings after which a record stands in the log, or will: the others say that it is nowhere. */
const ON_ITS_WAY = new Set(['delivered', 'KTB_SPILLED', 'KTB_DELIVERY_UNKNOWN']);
const KEYS = 7;

export interface SendVerdict {
  readonly sent: number;
  /** How many ended how: `delivered`, or an error's code. */
  readonly endings: Readonly<Record<string, number>>;
  /** Said to be in the log, or on its way there, and not found. */
  readonly lost: number;
  readonly doubled: number;
  /** Said to be nowhere, and found. */
  readonly refusedAndThere: number;
  /** Behind a later one of its key. */
  readonly outOfOrder: number;
}

/** Sends records that are numbers, remembers how each ended, and holds that against the log. */
export class SendLedger {
  readonly #endings: string[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #producer: Producer;
  readonly #topic: string;

  constructor(producer: Producer, topic: string) {
    this.#producer = producer;
    this.#topic = topic;
  }

  get sent(): number {
    return this.#endings.length;
  }

  count(ending: string): number {
    return this.#endings.filter((one) => one === ending).length;
  }

  /** The next record; who calls does not wait for its end. */
  send(): void {
    const index = this.#endings.push('open') - 1;
    const value = String(index).padEnd(200, '.');
    const send = this.#producer.send({ topic: this.#topic, key: `k${index % KEYS}`, value }).then(
      () => void (this.#endings[index] = 'delivered'),
      ({ code }: SendError) => void (this.#endings[index] = code),
    );
    this.#open.add(send);
    void send.finally(() => this.#open.delete(send));
  }

  /** So many a second, evenly, until the signal fires. */
  async load(perSecond: number, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    const before = this.sent;
    while (!signal.aborted) {
      while (this.sent - before < ((performance.now() - began) / 1_000) * perSecond) this.send();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Resolves when every send has ended. */
  async ended(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  verdict(log: readonly ReadMessage[]): SendVerdict {
    const found = new Map<number, number>();
    const last = new Map<string, number>();
    let outOfOrder = 0;
    for (const { key, value } of log) {
      const index = Number.parseInt(String(value), 10);
      found.set(index, (found.get(index) ?? 0) + 1);
      if ((last.get(String(key)) ?? -1) > index) outOfOrder++;
      last.set(String(key), index);
    }
    const endings: Record<string, number> = {};
    let [lost, refusedAndThere] = [0, 0];
    for (const [index, ending] of this.#endings.entries()) {
      endings[ending] = (endings[ending] ?? 0) + 1;
      if (ON_ITS_WAY.has(ending)) lost += found.has(index) ? 0 : 1;
      else refusedAndThere += found.has(index) ? 1 : 0;
    }
    const doubled = [...found.values()].filter((count) => count > 1).length;
    return { sent: this.sent, endings, lost, doubled, refusedAndThere, outOfOrder };
  }
}

/** Nothing was lost, doubled or turned round, and no promise said what is not so. */
export function isTrue({ lost, doubled, refusedAndThere, outOfOrder, endings }: SendVerdict): boolean {
  return lost + doubled + refusedAndThere + outOfOrder + (endings['open'] ?? 0) === 0;
}
