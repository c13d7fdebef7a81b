import { oneLine } from '../intake/one-line.js';
import type { Coordinates } from '../record.js';

/** With three bytes each still within the 400 that the server takes. */
const MAX_CHARACTERS = 120;

/** The line that Temporal's UI shows of an execution: where its record stands, then what it is or what ails it. */
export function summaryOf(at: Pick<Coordinates, 'topic' | 'partition' | 'offset'>, what: string): string {
  return oneLine(`${at.topic}/${at.partition}/${at.offset} ${what}`.trimEnd(), MAX_CHARACTERS);
}
