import PQueue from 'p-queue';
import type { ResolvedRoute } from '../config/resolved.js';
import type { Priority } from '../config/types.js';
import type { AcquireOptions, Admission, Permit } from './admission.js';
import { Pace } from './pace.js';

/** So old a turn may be when its permit comes. */
const FRESH_MS = 5;

/**
 * Routes with a `rate` ask for their permits at that rate, so that they keep no other route's waiting: a permit is taken
 * when the rate lets one through.
 */
export class RatedAdmission implements Pick<Admission, 'acquire'> {
  readonly #inner: Pick<Admission, 'acquire'>;
  readonly #rates = new Map<string, RouteRate>();

  constructor(inner: Pick<Admission, 'acquire'>, routes: readonly Pick<ResolvedRoute, 'id' | 'rate'>[]) {
    this.#inner = inner;
    for (const { id, rate } of routes) if (rate) this.#rates.set(id, new RouteRate(rate));
  }

  acquire(options: AcquireOptions): Promise<Permit> {
    const rate = this.#rates.get(options.route);
    return rate ? rate.acquire(this.#inner, options) : this.#inner.acquire(options);
  }
}

class RouteRate {
  readonly #pace: Pace;
  /**
   * One of each priority at a time: else turns would gather while the gate is shut, and pass in one burst when it opens.
   * A line for each, or what is high would wait behind what is low and has no permit yet.
   */
  readonly #lines: Readonly<Record<Priority, PQueue>> = {
    high: new PQueue({ concurrency: 1 }),
    medium: new PQueue({ concurrency: 1 }),
    low: new PQueue({ concurrency: 1 }),
  };

  constructor({ perSecond, burst }: Required<NonNullable<ResolvedRoute['rate']>>) {
    this.#pace = new Pace(perSecond, burst);
  }

  async acquire(inner: Pick<Admission, 'acquire'>, options: AcquireOptions): Promise<Permit> {
    const { priority, signal } = options;
    let permit: Permit | undefined;
    try {
      return await this.#lines[priority].add(
        async () => {
          await this.#pace.turn(priority, signal);
          const asked = Date.now();
          permit = await inner.acquire(options);
          // p-queue has rejected by then, and nobody else would give it back.
          if (signal.aborted) permit.release('returned');
          // The turn was for then, not for now: while it waited others may have had the rate's whole burst since.
          else if (Date.now() - asked > FRESH_MS) await this.#pace.turn(priority, signal);
          return permit;
        },
        { signal },
      );
    } catch (error) {
      permit?.release('returned');
      throw error;
    }
  }
}
