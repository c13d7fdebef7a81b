import { setTimeout as delay } from 'node:timers/promises';

interface Seen {
  /** Milliseconds since the watch began. */
  readonly at: number;
  readonly live: number;
  readonly ready: number;
  readonly reasons: readonly string[];
}

/** Both probes of a bridge, asked on and on. */
export class ProbeWatch implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #url: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(url: string) {
    this.#url = url;
    this.#running = this.#watch();
  }

  get last(): Seen | undefined {
    return this.seen.at(-1);
  }

  /** Every status that a probe has had, in order, without repeats. */
  turns(probe: 'live' | 'ready', from = 0): readonly number[] {
    const statuses = this.seen.slice(from).map((one) => one[probe]);
    return statuses.filter((status, index) => status !== statuses[index - 1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #watch(): Promise<void> {
    const begun = performance.now();
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const [live, ready] = await Promise.all([this.#ask('healthz'), this.#ask('readyz')]);
      if (signal.aborted) return;
      const at = performance.now() - begun;
      this.seen.push({ at, live: live.status, ready: ready.status, reasons: ready.reasons });
      await delay(100, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Status 0: nobody has answered. */
  async #ask(probe: string): Promise<{ readonly status: number; readonly reasons: readonly string[] }> {
    try {
      const answer = await fetch(`${this.#url}/${probe}`, { signal: AbortSignal.timeout(30_000) });
      const { checks } = (await answer.json()) as { checks: readonly { reason: string | null }[] };
      return { status: answer.status, reasons: checks.flatMap(({ reason }) => reason ?? []) };
    } catch {
      return { status: 0, reasons: [] };
    }
  }
}
