import { fieldName, shown } from './problems.js';
import type { ResolvedRoute } from './resolved.js';
import { isObject, MAX_TOPIC } from './rules.js';
import { topicMatcher } from './topic-pattern.js';
import type { Route } from './types.js';

const SUFFIX = '.dlq';

/** The topic that a dead letter of a record from `topic` is published to; undefined where there is none. */
export function deadLetterTopicFor(
  { deadLetterTopic }: Pick<ResolvedRoute, 'deadLetterTopic'>,
  topic: string,
): string | undefined {
  return deadLetterTopic === true ? `${topic}${SUFFIX}` : deadLetterTopic;
}

/**
 * What a route reads. A pattern whose dead letters go to `<topic>.dlq` takes no topic of such a name: it would read its
 * own dead letters, and which topics there will be is known to nobody beforehand.
 */
export function topicRead({
  topic,
  deadLetterTopic,
}: Pick<Route, 'topic' | 'deadLetterTopic'>): string | RegExp {
  if (typeof topic === 'string' || deadLetterTopic !== true) return topic;
  return new RegExp(`(?!.*\\${SUFFIX}$)(?:${topic.source})`, topic.flags);
}

interface Way {
  readonly index: number;
  /** Undefined where only the records tell. */
  readonly to: string | undefined;
  readonly reads: (topic: string) => boolean;
}

/** A dead letter that comes back to its own route would go round for ever. It takes anything: other fields may be wrong too. */
export function deadLetterTopicProblems(routes: readonly unknown[]): readonly string[] {
  const ways = routes.flatMap((route, index) => (isObject(route) ? (wayOf(route, index) ?? []) : []));
  return ways.flatMap((way) => {
    const { index, to } = way;
    if (to === undefined) return [];
    const name = fieldName(['routes', index, 'deadLetterTopic']);
    if (to.length > MAX_TOPIC)
      return [`Expected \`${name}\` to be a name of at most ${MAX_TOPIC} characters, got ${shown(to)}`];
    if (way.reads(to))
      return [`Expected \`${name}\` to be a topic that the route does not read, got ${shown(to)}`];
    const between = wayBack(way, ways);
    if (between === undefined) return [];
    return [
      `Expected \`${name}\` to be a topic that does not lead back to the route, got ${shown(to)}: ` +
        `${between.map((one) => `routes[${one.index}]`).join(', then ')} reads it, whose dead letters come back`,
    ];
  });
}

function wayOf(route: Record<string, unknown>, index: number): Way | undefined {
  const { topic, deadLetterTopic } = route;
  if (typeof topic !== 'string' && !(topic instanceof RegExp)) return undefined;
  const given = deadLetterTopic === true || typeof deadLetterTopic === 'string' ? deadLetterTopic : undefined;
  const to = given === true ? (typeof topic === 'string' ? `${topic}${SUFFIX}` : undefined) : given;
  const reads = topicMatcher(topicRead(given === undefined ? { topic } : { topic, deadLetterTopic: given }));
  return { index, to, reads };
}

/** The routes over which a route's dead letters come back to it. */
function wayBack(start: Way, ways: readonly Way[]): readonly Way[] | undefined {
  const seen = new Set<Way>([start]);
  const open: (readonly Way[])[] = [[start]];
  for (const path of open) {
    const { to } = path.at(-1)!;
    if (to === undefined) continue;
    if (path.length > 1 && start.reads(to)) return path.slice(1);
    for (const next of ways) {
      if (seen.has(next) || !next.reads(to)) continue;
      seen.add(next);
      open.push([...path, next]);
    }
  }
  return undefined;
}
