import {
  TemporalFault,
  type Backlog,
  type Capabilities,
  type FailedExecutions,
  type HistoryEvent,
  type StartAnswer,
  type StartRequest,
  type TemporalPort,
} from '../../../bridge/temporal/temporal-port.js';
import type { DescribedExecution } from '../../../bridge/temporal/describe.js';
import type { MessageAnswer, StartWithMessage, TargetMessage } from '../../../bridge/temporal/target-port.js';

export type PortCall =
  | 'start'
  | 'describe'
  | 'history'
  | 'backlog'
  | 'countFailed'
  | 'capabilities'
  | 'send'
  | 'sendWithStart'
  | 'hasReceived'
  | 'runsSince'
  | 'awaitClosed'
  | 'noteProgress';

interface Failure {
  left: number;
  readonly fault: () => Error;
  readonly calls: readonly PortCall[];
  readonly matching: (id: string) => boolean;
  /** After the call has had its effect. */
  readonly afterwards: boolean;
}

export interface FailureOptions {
  /** How many calls. @default 1 */
  readonly times?: number;
  /** @default ['start'] */
  readonly calls?: readonly PortCall[];
  /** The workflow ID, or task queue, that must match. @default all */
  readonly matching?: (id: string) => boolean;
  /** @default a systemic one */
  readonly fault?: () => Error;
}

export const away = (): TemporalFault =>
  new TemporalFault('systemic', 'Temporal is away', { status: 'UNAVAILABLE' });

/** A Temporal port over another one, which fails, loses replies, or answers late when it is told to. */
export class UnreliablePort implements TemporalPort {
  readonly #inner: TemporalPort;
  #failures: Failure[] = [];
  #gate: Promise<void> | undefined;
  #open: (() => void) | undefined;
  /** Every call that was made, the failed ones too. */
  readonly calls: { readonly call: PortCall; readonly id: string }[] = [];

  constructor(inner: TemporalPort) {
    this.#inner = inner;
  }

  /** The next calls fail, and have no effect. */
  fail(options: FailureOptions = {}): void {
    this.#failures.push(failureOf(options, false));
  }

  /** The next calls have their effect, but their answers are lost. */
  loseReplies(options: FailureOptions = {}): void {
    this.#failures.push(failureOf(options, true));
  }

  /** No more failures. */
  heal(): void {
    this.#failures = [];
  }

  /** Calls wait until {@link answer}. */
  answerLate(): void {
    this.#gate ??= new Promise((resolve) => (this.#open = resolve));
  }

  answer(): void {
    this.#open?.();
    this.#gate = undefined;
  }

  countOf(call: PortCall): number {
    return this.calls.filter((one) => one.call === call).length;
  }

  start(request: StartRequest): Promise<StartAnswer> {
    return this.#through('start', request.workflowId, () => this.#inner.start(request));
  }

  describe(workflowId: string, runId?: string): Promise<DescribedExecution | undefined> {
    return this.#through('describe', workflowId, () => this.#inner.describe(workflowId, runId));
  }

  history(workflowId: string, runId: string): Promise<readonly HistoryEvent[]> {
    return this.#through('history', workflowId, () => this.#inner.history(workflowId, runId));
  }

  backlog(taskQueue: string): Promise<Backlog> {
    return this.#through('backlog', taskQueue, () => this.#inner.backlog(taskQueue));
  }

  countFailed(failed: FailedExecutions): Promise<number> {
    return this.#through('countFailed', '', () => this.#inner.countFailed(failed));
  }

  capabilities(): Promise<Capabilities> {
    return this.#through('capabilities', '', () => this.#inner.capabilities());
  }

  send(message: TargetMessage, runId: string): Promise<MessageAnswer> {
    return this.#through('send', message.workflowId, () => this.#inner.send(message, runId));
  }

  sendWithStart(message: TargetMessage, start: StartWithMessage): Promise<MessageAnswer> {
    return this.#through('sendWithStart', message.workflowId, () =>
      this.#inner.sendWithStart(message, start),
    );
  }

  hasReceived(message: TargetMessage, runId: string): Promise<boolean> {
    return this.#through('hasReceived', message.workflowId, () => this.#inner.hasReceived(message, runId));
  }

  runsSince(workflowId: string, sinceMs: number): Promise<readonly string[]> {
    return this.#through('runsSince', workflowId, () => this.#inner.runsSince(workflowId, sinceMs));
  }

  awaitClosed(workflowId: string, runId: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    return this.#through('awaitClosed', workflowId, () =>
      this.#inner.awaitClosed(workflowId, runId, timeoutMs, signal),
    );
  }

  noteProgress(taskToken: Uint8Array, details: unknown): Promise<boolean> {
    return this.#through('noteProgress', '', () => this.#inner.noteProgress(taskToken, details));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #through<T>(call: PortCall, id: string, run: () => Promise<T>): Promise<T> {
    this.calls.push({ call, id });
    await this.#gate;
    const failure = this.#failures.find(
      (one) => one.left > 0 && one.calls.includes(call) && one.matching(id),
    );
    if (failure) failure.left--;
    if (failure && !failure.afterwards) throw failure.fault();
    const result = await run();
    if (failure) throw failure.fault();
    return result;
  }
}

function failureOf(options: FailureOptions, afterwards: boolean): Failure {
  return {
    left: options.times ?? 1,
    calls: options.calls ?? ['start'],
    matching: options.matching ?? (() => true),
    fault: options.fault ?? away,
    afterwards,
  };
}
