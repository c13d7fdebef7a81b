/**
 * Visibility hears of a close later than it happens, and not in the order of the closes: so much before what was seen
 * last is looked at again.
 */
const OVERLAP_MS = 10 * 60_000;

/** So many runs are kept for the next process; beyond that it publishes some once more, with their keys. */
const KEPT_RUNS = 1_000;

interface Published {
  readonly route: string;
  readonly closedAt: number;
}

/** What is kept in Temporal: the JSON form. Times are epoch milliseconds, by the clock of Temporal's server. */
interface Kept {
  readonly v: 1;
  /** By route: what closed before it, less the overlap, is published. */
  readonly until: Readonly<Record<string, number>>;
  /** What was published of the overlap: run, route, when it closed. */
  readonly published: readonly (readonly [run: string, route: string, closedAt: number])[];
}

/**
 * How far a subscription's dead letters are published. Only times of closes go into it, never our own clock: with a clock
 * that is ahead of the server's, dead letters would be passed over.
 */
export class SweepState {
  readonly #routes: readonly string[];
  readonly #overlapMs: number;
  readonly #until = new Map<string, number>();
  /** When `until` moved last, by a clock of this process that only measures how much time passes. */
  readonly #movedAt = new Map<string, number>();
  /** Routes of which nothing late can come any more: the overlap need not be looked at again. */
  readonly #settled = new Set<string>();
  readonly #elapsedMs: () => number;
  readonly #published = new Map<string, Published>();

  constructor(
    routes: readonly string[],
    overlapMs: number = OVERLAP_MS,
    elapsedMs: () => number = () => performance.now(),
  ) {
    this.#routes = routes;
    this.#overlapMs = overlapMs;
    this.#elapsedMs = elapsedMs;
  }

  /** What somebody kept, added to what is known here. What can't be read is nothing: then all is looked at again. */
  merge(given: unknown): void {
    const kept = keptOf(given);
    for (const [route, until] of Object.entries(kept?.until ?? {})) this.advance(route, until);
    for (const [run, route, closedAt] of kept?.published ?? []) this.add(run, route, closedAt);
  }

  /** From when on closes are to be looked at for a route; undefined: from the first. */
  fromOf(route: string): number | undefined {
    const until = this.#until.get(route);
    if (until === undefined) return undefined;
    return this.#settled.has(route) ? until : until - this.#overlapMs;
  }

  /** The same for all routes. */
  get from(): number | undefined {
    let from = Infinity;
    for (const route of this.#routes) {
      const one = this.fromOf(route);
      if (one === undefined) return undefined;
      from = Math.min(from, one);
    }
    return from;
  }

  has(run: string): boolean {
    return this.#published.has(run);
  }

  add(run: string, route: string, closedAt: number): void {
    this.#published.set(run, { route, closedAt });
  }

  /** Everything of the route that has closed up to here, as far as visibility knows, is published. */
  advance(route: string, until: number): void {
    if (until <= (this.#until.get(route) ?? -Infinity)) return;
    this.#until.set(route, until);
    this.#movedAt.set(route, this.#elapsedMs());
    this.#settled.delete(route);
  }

  /** A sweep that began then has published everything of the route that visibility knew. */
  swept(route: string, beganAtMs: number): void {
    const movedAt = this.#movedAt.get(route);
    if (movedAt !== undefined && beganAtMs - movedAt > this.#overlapMs) this.#settled.add(route);
  }

  /** Of the same clock as {@link swept} wants it. */
  get elapsedMs(): number {
    return this.#elapsedMs();
  }

  /** Whether what is kept would have the next process look at much that is long done. */
  isAheadOf(given: unknown): boolean {
    const until = keptOf(given)?.until ?? {};
    return this.#routes.some((route) => {
      const here = this.#until.get(route);
      return here !== undefined && here - (until[route] ?? -Infinity) > this.#overlapMs;
    });
  }

  /** What nobody will ask for again is forgotten. */
  prune(): void {
    for (const [run, { route, closedAt }] of this.#published) {
      // Also of a settled route: the next process looks at the overlap again.
      const until = this.#until.get(route);
      if (until !== undefined && closedAt < until - this.#overlapMs) this.#published.delete(run);
    }
  }

  toKept(): Kept {
    const newest = [...this.#published]
      .toSorted(([, a], [, b]) => b.closedAt - a.closedAt)
      .slice(0, KEPT_RUNS);
    return {
      v: 1,
      until: Object.fromEntries(this.#until),
      published: newest.map(([run, { route, closedAt }]) => [run, route, closedAt] as const),
    };
  }
}

function keptOf(given: unknown): Kept | undefined {
  const kept = given as Partial<Kept> | null | undefined;
  if (typeof kept !== 'object' || kept === null || kept.v !== 1) return undefined;
  const until = Object.entries(kept.until ?? {}).filter(([, one]) => Number.isFinite(one));
  const published = (Array.isArray(kept.published) ? kept.published : []).filter(
    (one): one is Kept['published'][number] => Array.isArray(one) && one.length === 3,
  );
  return { v: 1, until: Object.fromEntries(until), published };
}
