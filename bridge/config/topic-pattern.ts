/**
 * A pattern as it is used: it matches a topic's whole name, as Kafka's own `subscribe(Pattern)` does (a pattern for
 * `orders` must not take `orders-dead-letter`), and has no `g` and `y`, with which `test` would remember where it
 * stopped and skip every other topic.
 */
export function wholeTopic(pattern: RegExp): RegExp {
  return new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gym]/g, ''));
}

/** Whether a route's topic takes the topic of this name. */
export function topicMatcher(topic: string | RegExp): (name: string) => boolean {
  if (typeof topic === 'string') return (name) => name === topic;
  const pattern = wholeTopic(topic);
  return (name) => pattern.test(name);
}
