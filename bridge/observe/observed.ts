import type { AdmissionState } from '../admission/admission.js';
import type { CapacityLoopState } from '../admission/capacity-loop.js';
import type { Hold } from '../admission/route-holds.js';
import type { PartitionState } from '../intake/partition-state.js';
import type { CircuitName } from '../../workflows/capacity/contract.js';
import type { BridgePhase } from './phase.js';

/** A bridge at one moment: what gauges, probes and watches look at. */
export interface Observed {
  readonly phase: BridgePhase;
  /** Epoch milliseconds. */
  readonly phaseSince: number;
  /** Why it waits. */
  readonly reason: string | undefined;
  readonly partitions: readonly PartitionState[];
  readonly holds: readonly Hold[];
  readonly buffered: { readonly records: number; readonly bytes: number };
  readonly admission: AdmissionState;
  readonly backlog: number;
  readonly circuit: CircuitName;
  /** What is known of the capacity loop; undefined where no worker is asked. */
  readonly capacity?: CapacityLoopState | undefined;
  /** When a fetch was last answered, epoch milliseconds. */
  readonly lastFetchAt: number;
}
