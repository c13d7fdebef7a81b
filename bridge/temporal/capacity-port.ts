import type {
  CapacitySettings,
  CapacityView,
  Lease,
  LeaseRequest,
  SettingsChange,
  WorkerReport,
} from '../../workflows/capacity/contract.js';

/**
 * What bridges, workers and operators ask of a task queue's capacity workflow; each starts it where there is none. All
 * but `report` need a worker that runs it. Adapters: `SdkCapacityPort`, and a double that runs the same state in memory;
 * one contract test runs against both.
 */
export interface CapacityPort {
  /**
   * The same `bridge` and `sequence` again meets the first answer.
   * @throws TemporalFault `systemic` where Temporal is away, or no worker answers in time
   */
  lease(request: LeaseRequest, timeoutMs: number): Promise<Lease>;
  /** Durable when it resolves, also without a worker. @throws TemporalFault */
  report(report: WorkerReport): Promise<void>;
  /** @throws TemporalFault as `lease`; `rejected` where the change makes no sense */
  change(change: SettingsChange, timeoutMs: number): Promise<CapacitySettings>;
  /** Undefined where there is no capacity workflow. @throws TemporalFault as `lease` */
  view(timeoutMs: number): Promise<CapacityView | undefined>;
  close(): Promise<void>;
}
