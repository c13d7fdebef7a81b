import type { Priority } from './config/types.js';

/** From the one that goes first. */
export const PRIORITIES: readonly Priority[] = ['high', 'medium', 'low'];

/** The lower, the sooner it goes: 0 is first. */
export function rankOf(priority: Priority): number {
  return PRIORITIES.indexOf(priority);
}

/** As p-queue wants it: the higher goes first, and 0 is what it gives to whom none was given. */
export function queuePriorityOf(priority: Priority): number {
  return PRIORITIES.length - 1 - rankOf(priority);
}
