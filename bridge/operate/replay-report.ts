/** What a replay is asked, what it says meanwhile, and what it gives back. */
import type { Reapply } from '../temporal/operator-port.js';
import type { DeadLetter } from './dead-letters.js';
import type { ReplayFrom } from './reset-point.js';

export interface ReplayOptions {
  /** From the step that failed, or all of it. Our own workflows (activity routes, quarantine) have one step. @default 'failing-step' */
  readonly from?: ReplayFrom;
  /** Whether today's workflow code is tried on the history first. @default true */
  readonly check?: boolean;
  /** Which events after the reset point are kept: signals, updates. @default 'all' */
  readonly reapply?: Reapply;
  /**
   * Resets in a second, sent from here one by one: jobs on the server keep no rate.
   * @default as fast as the server takes them, by its jobs where there are many
   */
  readonly perSecond?: number;
  /** Who and why: it stands in the history of each. */
  readonly why?: string;
  /** Only says what would be done. @default false */
  readonly dryRun?: boolean;
  /** Asked once, before anything changes; `false` ends it. */
  readonly confirm?: (plan: ReplayPlan) => Promise<boolean>;
  /** Waits so long until each has closed, and says how. @default 0: it doesn't wait */
  readonly waitMs?: number;
  readonly onProgress?: (progress: ReplayProgress) => void;
  readonly signal?: AbortSignal;
}

export type ReplayProgress =
  | { readonly step: 'looking' | 'checking'; readonly count: number }
  | ({ readonly step: 'resetting' } & ResetProgress)
  | { readonly step: 'waiting'; readonly closed: number; readonly total: number };

/**
 * - `ready`: it can be reset to `eventId`.
 * - `changed`: today's workflow code does not fit what the history has before that event.
 * - `not-picked-up`: no worker has completed a task of it, and the server resets no such execution.
 */
export type ReplayReadiness = 'ready' | 'changed' | 'not-picked-up';

export interface ReplayEntry {
  readonly letter: DeadLetter;
  readonly eventId: number | undefined;
  readonly readiness: ReplayReadiness;
  /** Why it isn't ready, and what to do. */
  readonly message: string | undefined;
}

export interface ReplayPlan {
  readonly entries: readonly ReplayEntry[];
  readonly ready: number;
}

export interface ReplayReport extends ReplayPlan {
  /** What was asked for and is no dead letter (any more). */
  readonly notFound: readonly string[];
  readonly confirmed: boolean;
  /** Jobs on the server that did the work. */
  readonly jobs: readonly string[];
  readonly replayed: readonly ReplayedRecord[];
}

export interface ReplayedRecord {
  readonly workflowId: string;
  /** The run that the Reset made; undefined where it failed. */
  readonly runId: string | undefined;
  readonly state: 'completed' | 'failed' | 'running' | 'not-reset';
  /** Why it failed again, or was not reset. */
  readonly reason: string | undefined;
}

export interface ResetProgress {
  readonly done: number;
  readonly total: number;
  /** The job on the server that does it, for many. */
  readonly jobId: string | undefined;
}
