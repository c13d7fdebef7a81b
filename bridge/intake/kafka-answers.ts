/** What kafkajs says of a group's coordinator: it swallows the broker's own answer in places, and keeps only the first. */
const WITHOUT_COORDINATOR = [
  'Failed to find group coordinator',
  'The group coordinator is not available',
  "The coordinator is loading and hence can't process requests for this group",
];

/**
 * How Kafka is, where a call failed with this: a broker that has just started answers, but knows nothing of groups
 * until it has loaded their topic. "Does not answer" would send the reader to the network.
 */
export function kafkaState(why: string): string {
  return WITHOUT_COORDINATOR.some((message) => why.includes(message))
    ? 'answers, but has no coordinator for the group yet'
    : 'does not answer';
}
