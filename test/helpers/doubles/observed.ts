import type { PartitionState } from '../../../bridge/intake/intake.js';
import type { Observed } from '../../../bridge/observe/observed.js';

/** A running bridge, without a partition unless some are given. */
export function observed(fields: Partial<Observed> = {}): Observed {
  return {
    phase: 'running',
    phaseSince: 0,
    reason: undefined,
    partitions: [],
    holds: [],
    buffered: { records: 0, bytes: 0 },
    admission: { limit: 1, inFlight: 0, waiting: 0, holds: [], floors: [] },
    backlog: 0,
    circuit: 'closed',
    lastFetchAt: 0,
    ...fields,
  };
}

/** Three records behind, of which none is done. */
export function partitionState(fields: Partial<PartitionState> = {}): PartitionState {
  return {
    topic: 'orders',
    partition: 0,
    next: 5n,
    committed: 2n,
    committable: 2n,
    incomplete: 3,
    waiting: 0,
    logEnd: 5n,
    paused: false,
    stopped: undefined,
    blockedBy: undefined,
    blockedSince: undefined,
    lastProgressAt: 0,
    highestSeen: 4n,
    highestSequentialSucceeded: 1n,
    oldestMs: undefined,
    epoch: 1,
    ...fields,
  };
}
