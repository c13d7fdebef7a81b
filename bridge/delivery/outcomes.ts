import { parseRequestId } from '../temporal/ids.js';

/**
 * What became of a record: exactly one of these for each.
 *
 * - `started`: an execution began for it, or our own earlier start of it was met again.
 * - `done`: it was handled without an execution of its own.
 * - `duplicate`: the same key and value had been taken before.
 * - `conflict`: the same key with another value; it stands in quarantine.
 * - `foreign`: the key's ID belongs to another subscription or route; it stands in quarantine.
 * - `quarantined`: it could not be decoded, routed or taken; it stands in quarantine.
 * - `filtered`, `expired`, `conflated`: passed by, by a rule of the route's.
 */
export type Outcome =
  | 'started'
  | 'done'
  | 'duplicate'
  | 'conflict'
  | 'foreign'
  | 'quarantined'
  | 'filtered'
  | 'expired'
  | 'conflated';

export const OUTCOMES: readonly Outcome[] = [
  'started',
  'done',
  'duplicate',
  'conflict',
  'foreign',
  'quarantined',
  'filtered',
  'expired',
  'conflated',
];

/**
 * What a taken ID means for the record that wanted it. One call told everything: the first one's request ID says
 * which value, subscription and route it was of. `unknown`: not of our form, so the memo must be asked.
 */
export function meaningOfTakenId(
  ownRequestId: string,
  holderRequestId: string | undefined,
): 'duplicate' | 'conflict' | 'foreign' | 'unknown' {
  const own = parseRequestId(ownRequestId);
  const first = holderRequestId === undefined ? undefined : parseRequestId(holderRequestId);
  if (!own || !first) return 'unknown';
  if (own.name !== first.name || own.route !== first.route) return 'foreign';
  return own.value === first.value ? 'duplicate' : 'conflict';
}
