import type { BridgePhase } from './phase.js';

/** `away`: it has not answered for a while, but not for so long that it counts. */
export type CheckStatus = 'ok' | 'away' | 'failed';

export interface HealthCheck {
  readonly name: string;
  readonly status: CheckStatus;
  /** Null where all is well. Never a secret. */
  readonly reason: string | null;
  /** Since when it is so, epoch milliseconds. */
  readonly since: number;
}

/** What a probe answers with. */
export interface HealthReport {
  readonly status: 'ok' | 'failed';
  readonly checks: readonly HealthCheck[];
}

/** Both are asked at least every 5 s while there is something to ask: silence beyond that is no pause of ours. */
export const QUIET_MS = 7_500;
/** How late the event loop may be. */
export const LOOP_MS = 10_000;

/** A server's answers: when the last one came. */
export class Answers {
  #lastAt: number | undefined;

  /** @param at epoch milliseconds */
  came(at: number): void {
    if (this.#lastAt === undefined || at > this.#lastAt) this.#lastAt = at;
  }

  get lastAt(): number | undefined {
    return this.#lastAt;
  }
}

export interface ReadinessInput {
  readonly now: number;
  readonly graceMs: number;
  readonly phase: BridgePhase;
  readonly phaseSince: number;
  /** When each has last answered. */
  readonly temporalAt: number | undefined;
  readonly kafkaAt: number | undefined;
  /** When the group was joined for the first time. */
  readonly joinedAt: number | undefined;
  /** Whether Kafka is asked for anything: without a partition it may well be silent. */
  readonly asksKafka: boolean;
}

/**
 * Pure. Ready once Temporal has answered and the group was joined, and until it ends. An outage counts only after a grace
 * time, since a bridge waits it out; a rebalance, a pause and lag never do: a restart would make each of them worse.
 */
export function readiness(input: ReadinessInput): HealthReport {
  return reportOf([lifeOf(input), temporalOf(input), kafkaOf(input)]);
}

/** Pure. In-process only: whatever servers do, a restart of ours mends nothing. */
export function liveness(now: number, turnedAt: number): HealthReport {
  const lateMs = now - turnedAt;
  if (lateMs <= LOOP_MS) return reportOf([ok('eventLoop', turnedAt)]);
  return reportOf([failed('eventLoop', `The event loop has not turned for ${lateMs} ms`, turnedAt)]);
}

function lifeOf({ phase, phaseSince, joinedAt, temporalAt }: ReadinessInput): HealthCheck {
  switch (phase) {
    case 'draining':
      return failed('bridge', 'It drains: nothing more is taken', phaseSince);
    case 'stopped':
      return failed('bridge', 'It has stopped', phaseSince);
    case 'starting':
    case 'waiting':
    case 'running':
      return joinedAt === undefined || temporalAt === undefined
        ? failed('bridge', 'It starts', phaseSince)
        : ok('bridge', Math.max(joinedAt, temporalAt));
  }
}

function temporalOf({ temporalAt, joinedAt, now, graceMs, phaseSince }: ReadinessInput): HealthCheck {
  if (temporalAt === undefined) return failed('temporal', 'Temporal has not answered yet', phaseSince);
  // It is asked on and on from then.
  if (joinedAt === undefined) return ok('temporal', temporalAt);
  return silence('temporal', 'Temporal', temporalAt, now, graceMs);
}

function kafkaOf({ joinedAt, kafkaAt, now, graceMs, asksKafka, phaseSince }: ReadinessInput): HealthCheck {
  if (joinedAt === undefined) return failed('kafka', 'The group has not been joined yet', phaseSince);
  if (!asksKafka) return ok('kafka', joinedAt);
  return silence('kafka', 'Kafka', Math.max(joinedAt, kafkaAt ?? 0), now, graceMs);
}

function silence(name: string, whom: string, lastAt: number, now: number, graceMs: number): HealthCheck {
  const silentMs = now - lastAt;
  if (silentMs < QUIET_MS) return ok(name, lastAt);
  const reason = `${whom} has taken no call of ours for ${Math.floor(silentMs / 1000)} s`;
  return silentMs < graceMs ? { name, status: 'away', reason, since: lastAt } : failed(name, reason, lastAt);
}

function ok(name: string, since: number): HealthCheck {
  return { name, status: 'ok', reason: null, since };
}

function failed(name: string, reason: string, since: number): HealthCheck {
  return { name, status: 'failed', reason, since };
}

function reportOf(checks: readonly HealthCheck[]): HealthReport {
  return { status: checks.some(({ status }) => status === 'failed') ? 'failed' : 'ok', checks };
}
