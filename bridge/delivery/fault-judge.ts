/**
 * Whose fault is it? The one place that decides between poison and a systemic fault: a fault is a record's own only if
 * this record alone keeps failing while others pass. Pure: no clocks, no I/O.
 */

/** So many failures in a row, each with others passing meanwhile. */
const FAILURES_ALONE = 5;
/** So many others must pass for each other record that fails: an overloaded server lets some through as well. */
const PASSES_PER_FAILING = 10;

interface Suspect {
  failuresAlone: number;
  /** Calls of others that passed since this one's last failure. */
  passes: number;
  /** Other records that failed since this one's last failure. */
  readonly others: Set<string>;
}

export class FaultJudge {
  readonly #suspects = new Map<string, Suspect>();

  /** A call passed: of this record, or of any other. */
  passed(id: string): void {
    this.#suspects.delete(id);
    for (const suspect of this.#suspects.values()) suspect.passes++;
  }

  /** A call failed in a way that may be systemic. `alone`: this record keeps failing while others pass. */
  failed(id: string): 'systemic' | 'alone' {
    let own = this.#suspects.get(id);
    for (const [other, suspect] of this.#suspects) if (other !== id) suspect.others.add(id);
    if (!own) {
      own = { failuresAlone: 0, passes: 0, others: new Set() };
      this.#suspects.set(id, own);
    } else {
      const alone = own.passes > 0 && own.passes >= PASSES_PER_FAILING * own.others.size;
      own.failuresAlone = alone ? own.failuresAlone + 1 : 0;
    }
    own.passes = 0;
    own.others.clear();
    return own.failuresAlone >= FAILURES_ALONE ? 'alone' : 'systemic';
  }

  /** Whether nothing else has been tried since this record's last failure: then only a probe can tell. */
  unwitnessed(id: string): boolean {
    const own = this.#suspects.get(id);
    return own !== undefined && own.passes === 0 && own.others.size === 0;
  }

  /** The record is no longer tried. */
  forget(id: string): void {
    this.#suspects.delete(id);
  }

  get suspects(): number {
    return this.#suspects.size;
  }
}
