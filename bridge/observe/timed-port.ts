import type { CapacityPort } from '../temporal/capacity-port.js';
import { TemporalFault, type TemporalPort } from '../temporal/temporal-port.js';

export interface CallWatch {
  /** @param status as gRPC names it, `OK` where it went well */
  ended(operation: string, status: string, seconds: number): void;
}

/** Of what a fault's status is; others are `UNKNOWN`. */
const STATUSES = new Set([
  'CANCELLED',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]);

type Call<A extends unknown[], R> = (...args: A) => Promise<R>;

function timer(watch: CallWatch) {
  return <A extends unknown[], R>(operation: string, call: Call<A, R>): Call<A, R> =>
    async (...args) => {
      const begun = performance.now();
      const end = (status: string) => watch.ended(operation, status, (performance.now() - begun) / 1000);
      try {
        const answer = await call(...args);
        end(statusOf(answer));
        return answer;
      } catch (error) {
        end(statusOfFault(error));
        throw error;
      }
    };
}

/** Every call of a port, with how it ended and how long it took. A client without a worker has no metrics of the SDK's. */
export function timedPort(inner: TemporalPort, watch: CallWatch): TemporalPort {
  const timed = timer(watch);
  return {
    start: timed('start', inner.start.bind(inner)),
    describe: timed('describe', inner.describe.bind(inner)),
    history: timed('history', inner.history.bind(inner)),
    backlog: timed('backlog', inner.backlog.bind(inner)),
    countFailed: timed('countFailed', inner.countFailed.bind(inner)),
    capabilities: timed('capabilities', inner.capabilities.bind(inner)),
    send: timed('send', inner.send.bind(inner)),
    sendWithStart: timed('sendWithStart', inner.sendWithStart.bind(inner)),
    hasReceived: timed('hasReceived', inner.hasReceived.bind(inner)),
    runsSince: timed('runsSince', inner.runsSince.bind(inner)),
    awaitClosed: timed('awaitClosed', inner.awaitClosed.bind(inner)),
    noteProgress: timed('noteProgress', inner.noteProgress.bind(inner)),
    close: () => inner.close(),
  };
}

export function timedCapacityPort(inner: CapacityPort, watch: CallWatch): CapacityPort {
  const timed = timer(watch);
  return {
    lease: timed('lease', inner.lease.bind(inner)),
    report: timed('report', inner.report.bind(inner)),
    change: timed('change', inner.change.bind(inner)),
    view: timed('view', inner.view.bind(inner)),
    close: () => inner.close(),
  };
}

/** A start whose ID is taken is an answer to us; to the server it is this status. */
function statusOf(answer: unknown): string {
  const { kind } = (typeof answer === 'object' && answer !== null ? answer : {}) as { kind?: unknown };
  return kind === 'taken' ? 'ALREADY_EXISTS' : 'OK';
}

function statusOfFault(error: unknown): string {
  const status = error instanceof TemporalFault ? error.status : undefined;
  return status !== undefined && STATUSES.has(status) ? status : 'UNKNOWN';
}
