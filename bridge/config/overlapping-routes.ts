import type { ResolvedRoute } from './resolved.js';
import { topicMatcher } from './topic-pattern.js';

/**
 * Warnings, a sentence each, for routes that an earlier route hides, wholly or in part: the first that matches takes a
 * record. Of two different patterns nothing can be said.
 */
export function overlappingRoutes(routes: readonly ResolvedRoute[]): string[] {
  const warnings: string[] = [];
  routes.forEach((later, index) => {
    for (const earlier of routes.slice(0, index)) {
      if (!takesTopicOf(earlier, later)) continue;
      const types = hiddenTypes(earlier, later);
      if (types === 'none') continue;
      warnings.push(warning(earlier, later, types));
      if (types === 'all') break;
    }
  });
  return warnings;
}

function takesTopicOf(earlier: ResolvedRoute, later: ResolvedRoute): boolean {
  if (typeof later.topic === 'string') return topicMatcher(earlier.topic)(later.topic);
  // A later pattern may take an earlier literal: the narrow one first is how it is meant to be written.
  return earlier.topic instanceof RegExp && String(earlier.topic) === String(later.topic);
}

/** Which of the later route's event types never reach it. */
function hiddenTypes(earlier: ResolvedRoute, later: ResolvedRoute): 'none' | 'all' | readonly string[] {
  if (earlier.eventTypes === undefined) return 'all';
  // The types are read in different places: the same word may not be the same type.
  if (earlier.eventTypeFrom !== later.eventTypeFrom) return 'none';
  // Particular types first, the rest after them: as it is meant to be written.
  if (later.eventTypes === undefined) return 'none';
  const { eventTypes } = earlier;
  const hidden = [...later.eventTypes].filter((type) => eventTypes.has(type));
  if (hidden.length === 0) return 'none';
  return hidden.length === later.eventTypes.size ? 'all' : hidden;
}

function warning(earlier: ResolvedRoute, later: ResolvedRoute, types: 'all' | readonly string[]): string {
  const first = JSON.stringify(earlier.id);
  const second = JSON.stringify(later.id);
  if (types !== 'all') {
    const named = types.map((type) => JSON.stringify(type)).join(', ');
    return `The route ${second} never gets the event type ${named}: the route ${first} before it takes it`;
  }
  // A filter passes records by, it doesn't pass them on.
  const hint =
    earlier.eventTypes === undefined && later.eventTypes !== undefined ? '; put the narrower one first' : '';
  return `The route ${second} is never reached: the route ${first} before it takes all its records${hint}`;
}
