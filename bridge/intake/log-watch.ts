import { BridgeError, messageOf } from '../errors.js';
import { delay, within } from '../timing.js';
import { backwardsMessage, keyOf, type Intake, type LostRange, type PartitionState } from './intake.js';
import type { PartitionLog, RecordSource, TopicPartition } from './record-source.js';

/** What one look at the logs says. */
export interface LogFindings {
  readonly lost: readonly LostRange[];
  readonly backwards: readonly { readonly at: TopicPartition; readonly message: string }[];
  /** Partitions that have records for us, and nothing keeps us from reading them. */
  readonly unread: readonly TopicPartition[];
}

/**
 * Pure: what the logs' starts and ends say about what we hold of them. `asked` is what we held when the broker was asked:
 * records that came while it answered lie behind the end that it names, and are no log that went backwards.
 */
export function lookAtLogs(
  partitions: readonly PartitionState[],
  logs: readonly PartitionLog[],
  asked: readonly PartitionState[] = partitions,
): LogFindings {
  const heldBefore = new Map(asked.map((state) => [keyOf(state), state.next ?? state.committed]));
  const byKey = new Map(logs.map((log) => [keyOf(log), log]));
  const lost: LostRange[] = [];
  const backwards: { at: TopicPartition; message: string }[] = [];
  const unread: TopicPartition[] = [];
  for (const state of partitions) {
    const log = byKey.get(keyOf(state));
    if (!log || state.stopped !== undefined) continue;
    const at = { topic: state.topic, partition: state.partition };
    const next = state.next ?? state.committed;
    const before = heldBefore.get(keyOf(state));
    const behind = next !== undefined && log.end < next;
    if (behind && before !== undefined && log.end < before)
      backwards.push({ at, message: backwardsMessage(at, log.end, next) });
    else if (!behind && next !== undefined && log.start > next)
      lost.push({ ...at, from: next, to: log.start });
    else if (!state.paused && log.end > (next ?? log.start)) unread.push(at);
  }
  return { lost, backwards, unread };
}

export interface LogWatchOptions {
  readonly source: Pick<RecordSource, 'logs' | 'rebuild' | 'lastFetchAt'>;
  readonly intake: Intake;
  /** Nothing received for so long, while lag grows: the consumer is rebuilt. */
  readonly watchdogMs: number;
  readonly onStuck: (partitions: readonly TopicPartition[], message: string) => void;
  /** Kafka refuses us, until it answers again. kafkajs's consumer tries on in silence. */
  readonly onRefused?: (why: string) => void;
  readonly onAnswer?: () => void;
  readonly onLook?: (logs: readonly PartitionLog[]) => void;
}

/**
 * Compares the broker's word with ours: kafkajs jumps over a lost range in silence, takes a topic made anew for the old
 * one, and may stop receiving without an error.
 */
export class LogWatch {
  readonly #options: LogWatchOptions;
  /** Since when a partition has had something to read. */
  readonly #unreadSince = new Map<
    string,
    { readonly since: number; readonly next: bigint | undefined; readonly end: bigint | undefined }
  >();

  #refused = false;

  constructor(options: LogWatchOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const everyMs = Math.max(200, Math.min(5_000, this.#options.watchdogMs / 4));
    while (!signal.aborted) {
      await delay(everyMs, signal);
      if (signal.aborted) return;
      try {
        await within(this.look(), this.#options.watchdogMs, () => undefined);
      } catch (error) {
        // Where Kafka is only away, its own connection says so.
        if (!(error instanceof BridgeError)) continue;
        this.#refused = true;
        this.#options.onRefused?.(error.message);
      }
    }
  }

  async look(now: number = Date.now()): Promise<void> {
    const { source, intake } = this.#options;
    const asked = intake.partitions;
    const topics = [...new Set(asked.map((state) => state.topic))];
    if (topics.length === 0) return;
    const logs = await source.logs(topics);
    if (this.#refused) this.#options.onAnswer?.();
    this.#refused = false;
    intake.sawLogs(logs);
    this.#options.onLook?.(logs);
    const states = intake.partitions;
    const findings = lookAtLogs(states, logs, asked);
    for (const range of findings.lost) intake.lost(range);
    for (const { at, message } of findings.backwards) intake.stop(at, message);
    await this.#watch(findings.unread, states, logs, now);
  }

  async #watch(
    unread: readonly TopicPartition[],
    states: readonly PartitionState[],
    logs: readonly PartitionLog[],
    now: number,
  ): Promise<void> {
    const nextOf = new Map(states.map((state) => [keyOf(state), state.next]));
    const endOf = new Map(logs.map((log) => [keyOf(log), log.end]));
    const keys = new Set(unread.map(keyOf));
    for (const key of this.#unreadSince.keys()) if (!keys.has(key)) this.#unreadSince.delete(key);
    for (const key of keys) {
      const next = nextOf.get(key);
      const known = this.#unreadSince.get(key);
      if (!known || known.next !== next)
        this.#unreadSince.set(key, { since: now, next, end: endOf.get(key) });
    }
    const { watchdogMs, source, onStuck } = this.#options;
    const silent = now - source.lastFetchAt >= watchdogMs;
    const stuck = unread.filter((at) => {
      const known = this.#unreadSince.get(keyOf(at))!;
      // The end of the log may be a marker that never reaches us: unread alone is no sign, unless nothing is fetched at all.
      return now - known.since >= watchdogMs && (silent || known.end !== endOf.get(keyOf(at)));
    });
    if (stuck.length === 0) return;
    const message = `nothing received of ${stuck.map(keyOf).join(', ')} for ${watchdogMs} ms while there is something to read`;
    this.#unreadSince.clear();
    onStuck(stuck, message);
    await source
      .rebuild(message)
      .catch((error: unknown) => onStuck(stuck, `the rebuild failed: ${messageOf(error)}`));
  }
}
