import type { OffsetTracker } from './offset-tracker.js';
import type { PartitionLane } from './partition-lane.js';
import type { TopicPartition } from './record-source.js';

/** An assigned partition, as the intake keeps it. */
export interface OwnedPartition extends TopicPartition {
  readonly tracker: OffsetTracker;
  readonly lane: PartitionLane;
  readonly abort: AbortController;
  paused: boolean;
  /** Why nothing more is read or committed of it. */
  stopped: string | undefined;
  lastProgressAt: number;
  logEnd: bigint;
  /** Since when the log is known to have records that were not read. */
  unreadSince: number | undefined;
}

/** What is known of an assigned partition. */
export interface PartitionState extends TopicPartition {
  readonly next: bigint | undefined;
  readonly committed: bigint | undefined;
  readonly committable: bigint | undefined;
  readonly incomplete: number;
  readonly waiting: number;
  readonly logEnd: bigint;
  readonly paused: boolean;
  readonly stopped: string | undefined;
  readonly blockedBy: string | undefined;
  /** Since when the head of the line is blocked, epoch milliseconds. */
  readonly blockedSince: number | undefined;
  readonly lastProgressAt: number;
  readonly highestSeen: bigint | undefined;
  /** Every record up to this one is settled. */
  readonly highestSequentialSucceeded: bigint | undefined;
  /** Since when something has waited: the timestamp of the oldest record not settled, or when an unread one was seen. */
  readonly oldestMs: number | undefined;
  readonly epoch: number;
}

/** How far the log goes, as somebody has just told. */
export function sawLogEnd(owned: OwnedPartition, logEnd: bigint): void {
  owned.logEnd = logEnd;
  const { next } = owned.tracker;
  if (next === undefined || next >= logEnd) owned.unreadSince = undefined;
  else owned.unreadSince ??= Date.now();
}

export function stateOf(owned: OwnedPartition): PartitionState {
  const { topic, partition, tracker, lane, logEnd, paused, stopped, lastProgressAt } = owned;
  const { next, oldestIncomplete } = tracker;
  const sequential = oldestIncomplete ?? next;
  const unread = next !== undefined && next < logEnd;
  return {
    topic,
    partition,
    next,
    committed: tracker.committed,
    committable: tracker.committable,
    incomplete: tracker.incomplete,
    waiting: lane.waiting,
    logEnd,
    paused,
    stopped,
    blockedBy: lane.blockedBy,
    blockedSince: lane.blockedSince,
    lastProgressAt,
    highestSeen: tracker.highestSeen,
    highestSequentialSucceeded: sequential === undefined ? undefined : sequential - 1n,
    oldestMs: tracker.oldestIncompleteTimestampMs ?? (unread ? owned.unreadSince : undefined),
    epoch: tracker.epoch,
  };
}
