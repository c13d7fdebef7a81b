import type { TopicPartition } from '../intake/record-source.js';

/**
 * Whether the first partition of the subscription's first topic is ours: one member of the group owns it. What a group
 * does once is done by that one.
 */
export function ownsFirst(owned: readonly TopicPartition[], topics: readonly string[]): boolean {
  const [first] = [...topics].sort();
  return owned.some(({ topic, partition }) => topic === first && partition === 0);
}
