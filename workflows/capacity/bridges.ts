import { isCap } from './checks.js';
import type { LeaseRequest } from './contract.js';
import { LEASE_MS } from './stream.js';

const MOST_BRIDGES = 100;
/** For so long a bridge is remembered after its last request, so that a late one of it is known as such. */
const REMEMBERED_MS = 60_000;

interface Bridge {
  readonly identity: string;
  readonly name: string;
  readonly sequence: number;
  readonly at: number;
  readonly ended: boolean;
  readonly caps: Readonly<Record<string, number>>;
  /** When it was last lent something, as a count of all loans: who stands lower comes first. */
  readonly turn: number;
}

export interface BridgesCarry {
  readonly bridges: readonly (readonly [string, Bridge])[];
  readonly loans: number;
}

/** The bridges, by their last requests. */
export class Bridges {
  readonly #bridges: Map<string, Bridge>;
  #loans: number;

  constructor(carry: BridgesCarry) {
    this.#bridges = new Map(carry.bridges);
    this.#loans = carry.loans;
  }

  /** Whether a request is new. `strange` where there are more bridges than there can be. */
  hear(request: LeaseRequest, now: number): 'new' | 'old' | 'strange' {
    const { bridge, identity, name, sequence } = request;
    const before = this.#bridges.get(bridge);
    if (before && sequence <= before.sequence) return 'old';
    if (!before && this.#bridges.size >= MOST_BRIDGES) return 'strange';
    const caps = Object.entries(request.caps).filter(([, cap]) => isCap(cap));
    this.#bridges.set(bridge, {
      identity,
      name,
      sequence,
      at: now,
      ended: request.ends === true,
      caps: Object.fromEntries(caps),
      turn: before?.turn ?? 0,
    });
    return 'new';
  }

  get(bridge: string): Bridge | undefined {
    return this.#bridges.get(bridge);
  }

  get all(): [string, Bridge][] {
    return [...this.#bridges];
  }

  /** What is left of a lease, ms. */
  left(bridge: string, now: number): number {
    const one = this.#bridges.get(bridge);
    return one && !one.ended ? Math.max(0, one.at + LEASE_MS - now) : 0;
  }

  /** Those whose leases hold, the one that has been lent nothing for longest first. */
  living(now: number): string[] {
    return this.all
      .filter(([id]) => this.left(id, now) > 0)
      .sort(([, a], [, b]) => a.turn - b.turn)
      .map(([id]) => id);
  }

  /** Something was lent to it: the others come first now. */
  served(bridge: string): void {
    this.#loans += 1;
    this.#bridges.set(bridge, { ...this.#bridges.get(bridge)!, turn: this.#loans });
  }

  /** By class, the smallest that any living bridge tells. */
  caps(now: number): Map<string, number> {
    const caps = new Map<string, number>();
    for (const id of this.living(now)) {
      for (const [name, cap] of Object.entries(this.#bridges.get(id)!.caps)) {
        caps.set(name, Math.min(cap, caps.get(name) ?? cap));
      }
    }
    return caps;
  }

  look(now: number, holds: (bridge: string) => boolean): void {
    for (const [id, bridge] of this.#bridges) {
      if (now - bridge.at > REMEMBERED_MS && !holds(id)) this.#bridges.delete(id);
    }
  }

  carry(): BridgesCarry {
    return { bridges: this.all, loans: this.#loans };
  }
}
