import { rangesByStream } from './checks.js';
import type { NumberRanges, Sum, WorkerReport, WorkerView } from './contract.js';
import type { Moment } from './governor.js';
import { WINDOW } from './limit.js';
import { NumberSet } from './numbers.js';

/** A worker reports twice a second while busy, and every 30 s otherwise. */
const BUSY_ALIVE_MS = 10_000;
const IDLE_ALIVE_MS = 75_000;
/** For so long a process is remembered after its last report, so that a late one of it is known as such. */
const REMEMBERED_MS = 600_000;
const SKEW_WINDOW_MS = 60_000;
/** An idle worker that has taken something tells so at once: after so long its silence says that it has not. */
const SILENCE_MS = 5_000;
const MOST_WORKERS = 500;

interface Chunk {
  readonly worker: string;
  readonly count: number;
  readonly sumMs: number;
  readonly waits: number;
  readonly waitMs: number;
}

interface Worker {
  readonly identity: string;
  readonly sequence: number;
  /** Of its last report: when it came, and when it was made, both by our clock. */
  readonly at: number;
  readonly madeAt: number;
  /** The least of our time less its own, in this minute and the one before: its clock's error, and the fastest way. */
  readonly skew: { readonly since: number; readonly now: number; readonly before: number | null };
  readonly responses: Sum;
  readonly waits: Sum;
  /** By stream, those that are open. */
  readonly running: Readonly<Record<string, NumberRanges>>;
  /** Activities under way, with a slot or without. */
  readonly busy: number;
  readonly slots: { readonly total: number; readonly free: number };
  readonly pressure: readonly string[];
  readonly ended: boolean;
}

export interface WorkersCarry {
  readonly workers: readonly (readonly [string, Worker])[];
  readonly chunks: readonly Chunk[];
}

/** What the worker processes tell: who lives, what each has in hand, and how long records took and waited. */
export class Workers {
  readonly #workers: Map<string, Worker>;
  #chunks: readonly Chunk[];

  constructor(carry: WorkersCarry) {
    this.#workers = new Map(carry.workers);
    this.#chunks = carry.chunks;
  }

  /**
   * @param open of a stream's numbers, those that are open
   * @returns how many responses are new; undefined for a report that is late, or comes again
   */
  report(
    report: WorkerReport,
    open: (stream: string, numbers: NumberSet) => NumberSet,
    { now: nowMs, raw }: Moment,
  ): number | undefined {
    const before = this.#workers.get(report.worker);
    if (before ? report.sequence <= before.sequence : this.#workers.size >= MOST_WORKERS) return undefined;
    const running = new Map<string, NumberRanges>();
    let busy = report.others;
    for (const [stream, numbers] of rangesByStream(report.running)!) {
      busy += numbers.size;
      const inHand = open(stream, numbers).toString();
      if (inHand !== '') running.set(stream, inHand);
    }
    // By the server's time, jumps and all: that is what the worker has measured its waits against.
    const delta = raw - report.sentAt;
    const skew = skewWith(before?.skew, delta, nowMs);
    this.#workers.set(report.worker, {
      identity: report.identity,
      sequence: report.sequence,
      at: nowMs,
      madeAt: nowMs - (delta - leastOf(skew)),
      skew,
      responses: report.responses,
      waits: report.waits,
      running: Object.fromEntries(running),
      busy,
      slots: report.slots,
      pressure: report.pressure,
      ended: report.ends === true,
    });
    const responses = since(before?.responses, report.responses);
    const waits = since(before?.waits, report.waits);
    const sumMs = Math.max(0, responses.sumMs);
    this.#note({
      worker: report.worker,
      count: responses.count,
      sumMs,
      waits: waits.count,
      waitMs: waits.sumMs,
    });
    return responses.count;
  }

  look(nowMs: number): void {
    for (const [id, worker] of this.#workers) {
      if (nowMs - worker.at > REMEMBERED_MS) this.#workers.delete(id);
    }
  }

  alive(nowMs: number): number {
    return this.#living(nowMs).length;
  }

  /** Whether any has ever been seen, as far as we remember. */
  get seen(): boolean {
    return this.#workers.size > 0;
  }

  /** Activities under way in all that live. */
  busy(nowMs: number): number {
    return this.#living(nowMs).reduce((sum, { busy }) => sum + busy, 0);
  }

  /** Of all together: that one has no slot free is nothing while another one has. */
  pressure(nowMs: number): string[] {
    const living = this.#living(nowMs);
    const told = new Set(living.flatMap(({ pressure }) => pressure));
    if (!living.every(({ pressure }) => pressure.includes('slots'))) told.delete('slots');
    return [...told].sort();
  }

  /** Whether every worker that lives has told what it has in hand after this time. */
  toldSince(time: number, nowMs: number): boolean {
    const living = this.#living(nowMs);
    const told = ({ madeAt, busy }: Worker): boolean =>
      madeAt > time || (busy === 0 && nowMs >= time + SILENCE_MS);
    return living.length > 0 && living.every(told);
  }

  /**
   * Of a stream, what workers have in hand. What a process had that fell silent, or ended amid its work, is run again
   * elsewhere when its heartbeats are missed, which nobody tells us: so it counts for a slot's lease longer.
   */
  inHand(stream: string, slotLeaseMs: number, nowMs: number): NumberSet {
    const numbers = new NumberSet();
    for (const { running, at } of this.#workers.values()) {
      if (nowMs - at < slotLeaseMs && Object.hasOwn(running, stream))
        numbers.addAll(NumberSet.from(running[stream]!));
    }
    return numbers;
  }

  /** Of the last responses. Waits are put right by how far each worker's clock is off. */
  window(): Omit<Chunk, 'worker'> {
    let [count, sumMs, waits, waitMs] = [0, 0, 0, 0];
    for (const chunk of this.#chunks) {
      const worker = this.#workers.get(chunk.worker);
      count += chunk.count;
      sumMs += chunk.sumMs;
      if (!worker) continue;
      waits += chunk.waits;
      waitMs += Math.max(0, chunk.waitMs + leastOf(worker.skew) * chunk.waits);
    }
    return { count, sumMs, waits, waitMs };
  }

  views(nowMs: number): WorkerView[] {
    return [...this.#workers].map(([worker, one]) => ({
      worker,
      identity: one.identity,
      alive: isAlive(one, nowMs),
      agoMs: nowMs - one.at,
      running: one.busy,
      slots: one.slots,
      pressure: one.pressure,
    }));
  }

  carry(): WorkersCarry {
    return { workers: [...this.#workers], chunks: this.#chunks };
  }

  #living(nowMs: number): Worker[] {
    return [...this.#workers.values()].filter((worker) => isAlive(worker, nowMs));
  }

  #note(chunk: Chunk): void {
    if (chunk.count === 0 && chunk.waits === 0) return;
    const chunks = [...this.#chunks, chunk];
    let total = chunks.reduce((sum, { count }) => sum + count, 0);
    while (total - chunks[0]!.count >= WINDOW) total -= chunks.shift()!.count;
    this.#chunks = chunks.slice(-WINDOW);
  }
}

function isAlive(worker: Worker, nowMs: number): boolean {
  if (worker.ended) return false;
  return nowMs - worker.at < (worker.busy > 0 ? BUSY_ALIVE_MS : IDLE_ALIVE_MS);
}

/** What is new since the last report. Of a process that has run for long before we knew it, nothing is. */
function since(before: Sum | undefined, now: Sum): Sum {
  if (!before) return now.count <= WINDOW ? now : { count: 0, sumMs: 0 };
  const count = now.count - before.count;
  return count > 0 ? { count, sumMs: now.sumMs - before.sumMs } : { count: 0, sumMs: 0 };
}

function skewWith(before: Worker['skew'] | undefined, delta: number, nowMs: number): Worker['skew'] {
  if (!before) return { since: nowMs, now: delta, before: null };
  if (nowMs - before.since < SKEW_WINDOW_MS) return { ...before, now: Math.min(before.now, delta) };
  return { since: nowMs, now: delta, before: before.now };
}

function leastOf(skew: Worker['skew']): number {
  return Math.min(skew.now, skew.before ?? Infinity);
}
