import { oneLine } from '../intake/one-line.js';
import type { Coordinates } from '../record.js';

/** With three bytes each still within the 400 that the server takes. */
const MAX_CHARACTERS = 120;

/**
 * The line that Temporal's UI shows of an execution: where its record stands, then our own words, then the record's.
 * The UI renders it as Markdown, links included, and a record may say anything: so its own words are a code span.
 */
export function summaryOf(
  at: Pick<Coordinates, 'topic' | 'partition' | 'offset'>,
  ours: string,
  theirs: string,
): string {
  const begin = oneLine(`${at.topic}/${at.partition}/${at.offset} ${ours}`.trimEnd(), MAX_CHARACTERS);
  const room = MAX_CHARACTERS - begin.length - ' ``'.length;
  return theirs === '' || room < 1 ? begin : `${begin} \`${oneLine(theirs.replaceAll('`', "'"), room)}\``;
}
