import type { Bridges } from './bridges.js';
import type { CapacitySettings, CapacityView, Lease } from './contract.js';
import type { Governor, Moment, Standing } from './governor.js';
import { heldBy } from './held-by.js';
import type { Slots } from './slots.js';
import type { Workers } from './workers.js';

/** What bridges tell of the backlog holds for so long. */
const BACKLOG_MS = 10_000;

export interface Known {
  readonly taskQueue: string;
  /** The workflow's time as it last was, and ours, which does not go back. */
  readonly clock: Moment | null;
  readonly settings: CapacitySettings;
  readonly backlog: { readonly count: number; readonly at: number } | null;
  /** When a backlog of none was told, until all workers have told what they have in hand since. */
  readonly emptyAt: number | null;
  /**
   * Before it nothing is judged to be lost: time has leapt, be it that nobody spoke or that a clock jumped, and whoever
   * lives must have had the time to say so.
   */
  readonly sureFrom: number;
  /** When records last waited that only the limit kept back. */
  readonly boundAt: number | null;
  readonly ignored: number;
}

/** What can be read from all that is known at a time. Nothing here changes anything. */
export class Readings {
  readonly #known: () => Known;
  readonly #governor: Governor;
  readonly #bridges: Bridges;
  readonly #slots: Slots;
  readonly #workers: Workers;

  constructor(known: () => Known, governor: Governor, bridges: Bridges, slots: Slots, workers: Workers) {
    this.#known = known;
    this.#governor = governor;
    this.#bridges = bridges;
    this.#slots = slots;
    this.#workers = workers;
  }

  view(now: number): CapacityView {
    const { responseMs, waitMs } = this.means(now);
    return {
      taskQueue: this.#known().taskQueue,
      limit: this.limit(now),
      options: this.#governor.options,
      inFlight: this.#slots.open,
      circuit: this.#governor.circuit,
      responseMs,
      waitMs,
      backlog: this.backlog(now),
      workers: this.#workers.views(now),
      bridges: this.#bridges.all.map(([bridge, { identity, name, at }]) => ({
        bridge,
        identity,
        name,
        leases: this.#bridges.left(bridge, now) > 0,
        agoMs: now - at,
        inFlight: this.#slots.openOf(bridge),
        demand: this.#slots.demandOf(bridge),
      })),
      caps: Object.fromEntries(
        this.caps(now).map(({ name, cap, inFlight }) => [name, { limit: cap, inFlight }]),
      ),
      heldBy: this.heldBy(now),
      settings: this.#known().settings,
      changes: this.#governor.changes,
      ignored: this.#known().ignored,
    };
  }

  limit(now: number): number {
    return this.#governor.limit(this.standing(now));
  }

  standing(now: number): Standing {
    const decided = this.#known().settings.limit?.value;
    return { alive: this.#workers.alive(now), seen: this.#workers.seen, decided };
  }

  means(now: number): { responseMs: number | null; waitMs: number | null } {
    const { count, sumMs, waits, waitMs } = this.#workers.window(now);
    return { responseMs: mean(sumMs, count), waitMs: mean(waitMs, waits) };
  }

  /** For the circuit: our own, or what server and workers tell, whoever started it. */
  inWork(now: number): number {
    return Math.max(this.#slots.used, (this.backlog(now) ?? 0) + this.#workers.busy(now));
  }

  backlog(now: number): number | null {
    const { backlog } = this.#known();
    return backlog && now - backlog.at < BACKLOG_MS ? backlog.count : null;
  }

  caps(now: number): { name: string; cap: number; inFlight: number }[] {
    return [...this.#bridges.caps(now)].map(([name, cap]) => ({
      name,
      cap,
      inFlight: this.#slots.openIn(name),
    }));
  }

  heldBy(now: number, subscription?: string): string[] {
    const holding = {
      limit: this.limit(now),
      inFlight: this.#slots.open,
      inWork: this.inWork(now),
      circuit: this.#governor.circuit,
      workers: this.#workers.alive(now),
      caps: this.caps(now),
      settings: this.#known().settings,
    };
    return heldBy(holding, subscription);
  }

  answer(bridge: string, now: number): Lease {
    const known = this.#bridges.get(bridge);
    return {
      sequence: known?.sequence ?? 0,
      upTo: this.#slots.upTo(bridge, now),
      forMs: this.#bridges.left(bridge, now),
      limit: this.limit(now),
      inFlight: this.#slots.open,
      circuit: this.#governor.circuit,
      workers: this.#workers.alive(now),
      bridges: this.#bridges.living(now).length,
      heldBy: this.heldBy(now, known?.name),
      pressure: this.#workers.pressure(now),
      settings: this.#known().settings,
    };
  }
}

function mean(sum: number, count: number): number | null {
  return count > 0 ? sum / count : null;
}
