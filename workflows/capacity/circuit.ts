import type { CircuitName } from './contract.js';
import { WINDOW } from './limit.js';

/** In flight over so many times the limit opens it. */
const OVERLOAD = 1.5;
/** Half-open, without overload, for so long closes it; or so many responses, see WINDOW. */
const CALM_MS = 30_000;

/** Plain, so that it can be carried. */
export interface CircuitState {
  readonly name: CircuitName;
  /**
   * What in flight is measured by where it is more than the limit: after a cut of ours, or an operator's, in flight is
   * over the limit by our own doing. It begins there, and comes down with it.
   */
  readonly reference: number;
  /** Since when it is half-open, and without overload. */
  readonly calmSince: number;
  /** Responses since then. */
  readonly responses: number;
}

export const CLOSED: CircuitState = { name: 'closed', reference: 0, calmSince: 0, responses: 0 };

export interface CircuitSituation {
  /** Of ours or not: the larger of what our records hold and what the servers and workers tell. */
  readonly inFlight: number;
  /** What holds now: the minimum where the circuit is open. */
  readonly limit: number;
  /** Whether the limit came down by a decision, or in flight went up by what we have only learnt of. */
  readonly excused: boolean;
  /** New ones. */
  readonly responses: number;
}

/** What the circuit makes of a moment. */
export function turned(before: CircuitState, now: CircuitSituation, nowMs: number): CircuitState {
  const { inFlight, limit } = now;
  const reference = Math.max(limit, now.excused ? inFlight : Math.min(before.reference, inFlight));
  const overloaded = inFlight > OVERLOAD * reference;
  switch (before.name) {
    case 'closed':
      return overloaded ? { ...CLOSED, name: 'open', reference: limit } : { ...before, reference };
    case 'open':
      return inFlight <= limit
        ? { name: 'half-open', reference: limit, calmSince: nowMs, responses: 0 }
        : { ...before, reference: limit };
    case 'half-open': {
      if (overloaded) return { ...CLOSED, name: 'open', reference: limit };
      const responses = before.responses + now.responses;
      if (responses >= WINDOW || nowMs - before.calmSince >= CALM_MS) return { ...CLOSED, reference };
      return { ...before, reference, responses };
    }
  }
}

/** A cut in between is overload: the window begins anew. */
export function disturbed(before: CircuitState, nowMs: number): CircuitState {
  return before.name === 'half-open' ? { ...before, calmSince: nowMs, responses: 0 } : before;
}
