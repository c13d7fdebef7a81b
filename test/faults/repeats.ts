import type { HandlerCall } from './handlers-record.js';

/** Why calls were repeated: how many, by reason; and the keys of those without one. */
export interface Repeats {
  /** The call before was cut: its process died in it. */
  readonly afterCut: number;
  /** The call before failed, and this is its retry. */
  readonly afterFailure: number;
  /** The call before ended, but Temporal did not get its completion: the next attempt of the same run. */
  readonly completionLost: number;
  /** The call before still ran: it hung past its time-out. */
  readonly whileHanging: number;
  /** None of these: another run, or no further attempt. This is a record that was handled twice. */
  readonly unexplained: readonly string[];
}

/** @param callsByKey the calls of each key in the order in which they began */
export function explainRepeats(callsByKey: Iterable<readonly HandlerCall[]>): Repeats {
  const counts = { afterCut: 0, afterFailure: 0, completionLost: 0, whileHanging: 0 };
  const unexplained: string[] = [];
  for (const calls of callsByKey) {
    const ordered = [...calls].sort((a, b) => a.begunLine - b.begunLine);
    for (const [index, call] of ordered.entries()) {
      if (index === 0) continue;
      const why = reasonOf(ordered.slice(0, index), call);
      if (why === undefined) unexplained.push(call.key);
      else counts[why]++;
    }
  }
  return { ...counts, unexplained: [...new Set(unexplained)] };
}

function reasonOf(
  before: readonly HandlerCall[],
  call: HandlerCall,
): 'afterCut' | 'afterFailure' | 'completionLost' | 'whileHanging' | undefined {
  // The attempt just before this one, by number: attempts of one run may overlap in time. Numbers may be skipped,
  // where a worker died between taking a task and calling the handler.
  const earlier = before.filter((one) => one.runId === call.runId && one.attempt < call.attempt);
  const previous = earlier.reduce<HandlerCall | undefined>(
    (best, one) => (best === undefined || one.attempt > best.attempt ? one : best),
    undefined,
  );
  if (previous === undefined || before.some((one) => one.runId !== call.runId)) return undefined;
  if (previous.outcome === 'cut') return 'afterCut';
  if (previous.endedLine! > call.begunLine) return 'whileHanging';
  return previous.outcome === 'failed' ? 'afterFailure' : 'completionLost';
}
