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
   * What in flight is measured by instead of the limit, where it is over it by our own doing: after a cut of ours, or an
   * operator's. It begins at what was in flight then, and comes down with it; 0 once that is back under the limit.
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
  /** Whether the workers are gone: then nothing excuses what is in flight. */
  readonly gone: boolean;
  /** Whether the limit came down by a decision, or in flight went up by what we have only learnt of. */
  readonly excused: boolean;
  /** New ones. */
  readonly responses: number;
}

/** What the circuit makes of a moment. */
export function turned(before: CircuitState, now: CircuitSituation, nowMs: number): CircuitState {
  const { inFlight, limit } = now;
  const excess = now.excused ? inFlight : Math.min(before.reference, inFlight);
  const reference = excess > limit && !now.gone ? excess : 0;
  const overloaded = inFlight > OVERLOAD * Math.max(limit, reference);
  switch (before.name) {
    case 'closed':
      return overloaded ? { ...CLOSED, name: 'open' } : { ...before, reference };
    case 'open':
      return inFlight <= limit ? { ...CLOSED, name: 'half-open', calmSince: nowMs } : before;
    case 'half-open': {
      if (overloaded) return { ...CLOSED, name: 'open' };
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
