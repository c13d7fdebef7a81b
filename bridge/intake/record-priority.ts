import type { ResolvedRoute } from '../config/resolved.js';
import type { Priority } from '../config/types.js';
import type { RawHeaders, SourceRecord } from '../record.js';
import { headerText } from './header-text.js';
import { oneLine } from './one-line.js';

const PRIORITY_HEADER = 'priority';

/** The last header `priority`, where it is one. */
export function headerPriority(headers: RawHeaders): Priority | undefined {
  const text = headerText(headers, PRIORITY_HEADER)?.trim().toLowerCase();
  return text === 'high' || text === 'medium' || text === 'low' ? text : undefined;
}

/** The record's priority on its route: the header's, else the route's. Who writes nonsense gets the route's too. */
export function createPriorityReader(
  route: Pick<ResolvedRoute, 'id' | 'priority'>,
  onBad: (message: string) => void,
): (record: SourceRecord) => Priority {
  let isSaid = false;
  return ({ headers }) => {
    const priority = headerPriority(headers);
    if (priority !== undefined) return priority;
    const text = isSaid ? undefined : headerText(headers, PRIORITY_HEADER);
    if (text !== undefined) {
      isSaid = true;
      onBad(
        `route \`${route.id}\`: Expected header \`priority\` to be high, medium or low, got ` +
          `${JSON.stringify(oneLine(text, 100))}; such records have the route's (said once)`,
      );
    }
    return route.priority;
  };
}

/**
 * A record's priority where it can be told without decoding it: by its header, or where all routes of its topic have the
 * same.
 */
export function createPriorityForecast(
  routesOf: (topic: string) => readonly Pick<ResolvedRoute, 'priority'>[],
): (record: SourceRecord) => Priority | undefined {
  const ofTopic = new Map<string, Priority | undefined>();
  return ({ topic, headers }) => {
    const given = headerPriority(headers);
    if (given !== undefined) return given;
    if (!ofTopic.has(topic)) {
      const priorities = new Set(routesOf(topic).map(({ priority }) => priority));
      ofTopic.set(topic, priorities.size > 1 ? undefined : (priorities.values().next().value ?? 'medium'));
    }
    return ofTopic.get(topic);
  };
}
