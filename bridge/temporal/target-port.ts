/** What is asked of Temporal for signals and updates of workflows that already run: the part of the port for it. */
import type { Duration } from '@temporalio/common';

/** A signal or an update. The server takes it once in each run, by `requestId`: a signal's request ID, an update's ID. */
export interface TargetMessage {
  readonly kind: 'signal' | 'update';
  readonly name: string;
  readonly workflowId: string;
  readonly requestId: string;
  readonly args: readonly unknown[];
}

/** The workflow that is started together with a message, and only with it. */
export interface StartWithMessage {
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly args: readonly unknown[];
  readonly memo?: Readonly<Record<string, unknown>>;
  readonly workflowExecutionTimeout?: Duration;
  readonly workflowRunTimeout?: Duration;
  readonly workflowTaskTimeout?: Duration;
  /** Whether a closed execution of the ID may be followed by another one. */
  readonly afterClosed: boolean;
}

export type MessageAnswer =
  /** The signal is in the run's history; the update has completed. */
  | { readonly kind: 'delivered'; readonly runId: string; readonly result?: unknown }
  /** The update was rejected, or its handler failed. */
  | { readonly kind: 'refused'; readonly message: string; readonly type: string | undefined }
  /** The update has not completed yet: ask again, with the same message. */
  | { readonly kind: 'pending' }
  /** There is no such run, or it has closed without the message; with a start: the ID is taken. */
  | { readonly kind: 'notTaken' };

export interface TargetPort {
  /** To this run and to no other: what the server knows of a request ID, it knows of a run, also when it has closed. @throws TemporalFault */
  send(message: TargetMessage, runId: string): Promise<MessageAnswer>;
  /**
   * Starts a workflow with the message in its first run. Where one runs, it gets the signal instead; an update is not taken.
   * @throws TemporalFault
   */
  sendWithStart(message: TargetMessage, start: StartWithMessage): Promise<MessageAnswer>;
  /** Whether a run's history has this signal, or this update as accepted. @throws TemporalFault */
  hasReceived(message: TargetMessage, runId: string): Promise<boolean>;
  /** The runs of an ID that began since then (epoch milliseconds), as far as visibility knows: it lags. @throws TemporalFault */
  runsSince(workflowId: string, sinceMs: number): Promise<readonly string[]>;
  /**
   * Waits until a run has closed, at the longest for `timeoutMs`; `false`: not yet, or `signal` has fired. A run that is
   * gone has closed.
   * @throws TemporalFault
   */
  awaitClosed(workflowId: string, runId: string, timeoutMs: number, signal: AbortSignal): Promise<boolean>;
  /**
   * Notes what the next attempt of an activity should know; when it resolves, the server has it. `false`: the attempt is
   * over, or no longer wanted, and must do nothing more.
   * @throws TemporalFault
   */
  noteProgress(taskToken: Uint8Array, details: unknown): Promise<boolean>;
}
