import { setMaxListeners } from 'node:events';
import type { DeliveryObserver, Settlement } from '../delivery/delivery.js';
import type { SourceRecord } from '../record.js';
import { within } from '../timing.js';
import { IntakeBuffer, type IntakeBufferLimits } from './intake-buffer.js';
import type { MappedRecord } from './mapped-record.js';
import { OffsetTracker } from './offset-tracker.js';
import { KeyPriorities } from './key-priorities.js';
import type { LaneStages } from './lane-stages.js';
import { PartitionLane } from './partition-lane.js';
import { sawLogEnd, stateOf, type OwnedPartition, type PartitionState } from './partition-state.js';
import type {
  CommitEntry,
  PartitionLog,
  PositionWish,
  RecordSource,
  SourceListener,
  TopicPartition,
} from './record-source.js';

export type { PartitionState } from './partition-state.js';

export interface LostRange extends TopicPartition {
  readonly from: bigint;
  /** Exclusive. */
  readonly to: bigint;
}

export interface IntakeEvents {
  /** The group gave us other partitions. */
  assigned(gained: readonly TopicPartition[], lost: readonly TopicPartition[]): void;
  /** Counted once for each record, when its outcome is known. */
  settled(record: MappedRecord, settlement: Settlement): void;
  /** The group had no position here. */
  newGroup(at: TopicPartition, position: bigint): void;
  /** Retention, or somebody's deletion, took records that had not been read. */
  lostRange(range: LostRange): void;
  /** Nothing more is read or committed of a partition: its log is not the one that we read, or its lost range holds it. */
  stopped(at: TopicPartition, message: string): void;
  connected(): void;
  disconnected(why: string, refused?: boolean): void;
}

export interface IntakeOptions {
  readonly buffer: IntakeBufferLimits;
  /** Records taken from a partition at a time, as it is now. */
  readonly maxPollRecords: () => number;
  readonly startFrom: 'beginning' | 'end';
  readonly onLostRange: 'continue' | 'hold';
  readonly stages: Omit<LaneStages, 'observer' | 'keyPriorities'>;
  readonly events: IntakeEvents;
}

/** Everything between the source and the deliveries: what is ours, what it weighs, what is done of it. */
export class Intake implements SourceListener {
  readonly #options: IntakeOptions;
  readonly #source: Pick<RecordSource, 'pause' | 'resume'>;
  readonly #buffer: IntakeBuffer<string>;
  readonly #owned = new Map<string, OwnedPartition>();
  readonly #keyPriorities = new KeyPriorities();
  #epoch = 0;
  #taking = true;
  #takenInPoll = new Map<string, number>();
  #lastReceivedAt = Date.now();

  constructor(source: Pick<RecordSource, 'pause' | 'resume'>, options: IntakeOptions) {
    this.#source = source;
    this.#options = options;
    this.#buffer = new IntakeBuffer(options.buffer);
  }

  assigned(partitions: readonly TopicPartition[], rejoined: boolean): readonly PositionWish[] {
    const wanted = new Map(partitions.map((at) => [keyOf(at), at]));
    const lost = [...this.#owned.values()].filter((owned) => rejoined || !wanted.has(keyOf(owned)));
    for (const owned of lost) this.#drop(owned);
    this.#epoch++;
    const gained: TopicPartition[] = [];
    const kept: PositionWish[] = [];
    for (const [key, at] of wanted) {
      const owned = this.#owned.get(key);
      if (!owned) {
        gained.push(at);
        this.#own(at);
      } else if (owned.tracker.next !== undefined) {
        kept.push({ ...at, position: owned.tracker.next });
      }
    }
    this.#options.events.assigned(
      gained,
      lost.filter((owned) => !wanted.has(keyOf(owned))),
    );
    return kept;
  }

  placed(
    at: TopicPartition,
    committed: bigint | undefined,
    log: PartitionLog,
    reach?: bigint,
  ): bigint | undefined {
    const owned = this.#owned.get(keyOf(at));
    if (!owned) return undefined;
    sawLogEnd(owned, log.end);
    // Owners that did not say how far they reach may have had anything of what there is.
    owned.lane.shaping.placed(committed ?? 0n, committed === undefined ? 0n : (reach ?? log.end));
    const { startFrom, onLostRange, events } = this.#options;
    if (committed === undefined) {
      const position = startFrom === 'end' ? log.end : log.start;
      events.newGroup(at, position);
      owned.tracker.placed(undefined, position);
      return position;
    }
    if (committed > log.end) {
      this.stop(
        at,
        `${at.topic}/${at.partition} ends at offset ${log.end}, and the group has committed ${committed}: the log was truncated, or is ` +
          "another one. Nothing is read or committed of this partition until the group's offset is reset (kafka-consumer-groups --reset-offsets)",
      );
      return undefined;
    }
    const position = committed < log.start ? log.start : committed;
    owned.tracker.placed(committed, position);
    if (committed < log.start) {
      const range = { ...at, from: committed, to: log.start };
      events.lostRange(range);
      if (onLostRange === 'hold') {
        this.stop(at, `${lostMessage(range)}; it is held (\`onLostRange: 'hold'\`)`);
        return undefined;
      }
    }
    return position;
  }

  passed(at: TopicPartition, position: bigint): void {
    const owned = this.#owned.get(keyOf(at));
    if (owned && owned.stopped === undefined) owned.tracker.skipTo(position);
  }

  offer(record: SourceRecord, logEnd: bigint): 'taken' | 'seen' | 'full' {
    const key = keyOf(record);
    const owned = this.#owned.get(key);
    if (!owned || owned.stopped !== undefined) return 'full';
    this.#lastReceivedAt = Date.now();
    sawLogEnd(owned, logEnd);
    const { next, lastTimestampMs } = owned.tracker;
    if (next !== undefined && record.offset < next) {
      const otherLog =
        logEnd < next ||
        (record.offset === next - 1n &&
          lastTimestampMs !== undefined &&
          record.timestampMs !== lastTimestampMs);
      if (!otherLog) return 'seen';
      this.stop(record, backwardsMessage(record, record.offset, next));
      return 'full';
    }
    const taken = this.#takenInPoll.get(key) ?? 0;
    if (!this.#taking || taken >= this.#options.maxPollRecords()) return 'full';
    if (!this.#buffer.take(key, record.sizeBytes)) return 'full';
    this.#takenInPoll.set(key, taken + 1);
    owned.tracker.fetched(record.offset, record.timestampMs, this.#options.stages.delivery.commitOn);
    owned.lane.push(record);
    return 'taken';
  }

  shouldPause(at: TopicPartition): boolean {
    const key = keyOf(at);
    this.#takenInPoll.delete(key); // asked at the end of a poll
    const owned = this.#owned.get(key);
    if (!owned) return true;
    owned.paused = !this.#taking || owned.stopped !== undefined || this.#buffer.shouldPause(key);
    return owned.paused;
  }

  connected(): void {
    this.#options.events.connected();
  }

  disconnected(why: string, refused = false): void {
    this.#options.events.disconnected(why, refused);
  }

  /** Reads and commits nothing more of a partition: its log is not the one that we read. */
  stop(at: TopicPartition, message: string): void {
    const owned = this.#owned.get(keyOf(at));
    if (!owned || owned.stopped !== undefined) return;
    owned.stopped = message;
    owned.paused = true;
    this.#source.pause([at]);
    this.#options.events.stopped(at, message);
  }

  /**
   * Takes nothing more; what waits stays not done, so that no commit passes it. What the routes hold goes on for so long.
   * Resolves when nothing runs.
   */
  async drain(finishMs = 0): Promise<void> {
    this.#taking = false;
    for (const owned of this.#owned.values()) {
      owned.paused = true;
      owned.lane.stop();
    }
    this.#source.pause([...this.#owned.values()].map(({ topic, partition }) => ({ topic, partition })));
    const holding = [...this.#owned.values()].filter(({ lane }) => !lane.shaping.isEmpty);
    const emptied = Promise.all(holding.map(({ lane }) => lane.shaping.emptied())).then(() => undefined);
    if (holding.length > 0 && finishMs > 0) await within(emptied, finishMs, () => undefined);
    for (const owned of this.#owned.values()) owned.abort.abort();
    while (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** What may be committed now. Nothing of a stopped partition: its positions are of another log. */
  commitEntries(): readonly CommitEntry[] {
    const entries: CommitEntry[] = [];
    const { conflates } = this.#options.stages.shaping;
    for (const { topic, partition, tracker, lane, stopped } of this.#owned.values()) {
      const position = tracker.committable;
      if (stopped !== undefined || position === undefined) continue;
      if (tracker.dirty || lane.shaping.wantsCommit)
        entries.push({
          topic,
          partition,
          position,
          ...(conflates ? { reach: lane.shaping.settleOn(position) } : {}),
        });
    }
    return entries;
  }

  committed(entries: readonly CommitEntry[], epoch: number): void {
    for (const entry of entries) {
      const owned = this.#owned.get(keyOf(entry));
      if (!owned || owned.tracker.epoch > epoch) continue;
      owned.tracker.commitSucceeded(entry.position);
      owned.lane.shaping.committed(entry.position, entry.reach ?? 0n);
    }
  }

  get epoch(): number {
    return this.#epoch;
  }

  get lastReceivedAt(): number {
    return this.#lastReceivedAt;
  }

  /** The log's ends as the broker has just told them. */
  sawLogs(logs: readonly PartitionLog[]): void {
    for (const log of logs) {
      const owned = this.#owned.get(keyOf(log));
      if (owned) sawLogEnd(owned, log.end);
    }
  }

  /** Records of an assigned partition that are gone from the log. */
  lost(range: LostRange): void {
    this.#options.events.lostRange(range);
    if (this.#options.onLostRange === 'hold') this.stop(range, lostMessage(range));
    else this.passed(range, range.to);
  }

  get partitions(): readonly PartitionState[] {
    return [...this.#owned.values()].map(stateOf);
  }

  get buffered(): { readonly records: number; readonly bytes: number } {
    return { records: this.#buffer.records, bytes: this.#buffer.bytes };
  }

  #running = 0;
  #idle: (() => void) | undefined;

  #own(at: TopicPartition): void {
    const key = keyOf(at);
    const abort = new AbortController();
    setMaxListeners(0, abort.signal); // every record under way may wait on it: that is no leak
    const tracker = new OffsetTracker(this.#epoch);
    const stages: LaneStages = {
      ...this.#options.stages,
      keyPriorities: this.#keyPriorities,
      delivery: this.#counted(),
      observer: this.#observer(key, tracker),
    };
    this.#buffer.open(key);
    this.#owned.set(key, {
      topic: at.topic,
      partition: at.partition,
      tracker,
      abort,
      lane: new PartitionLane(stages, abort.signal),
      paused: false,
      stopped: undefined,
      lastProgressAt: Date.now(),
      logEnd: 0n,
      unreadSince: undefined,
    });
  }

  #drop(owned: OwnedPartition): void {
    const key = keyOf(owned);
    this.#owned.delete(key);
    this.#takenInPoll.delete(key);
    owned.abort.abort();
    this.#buffer.close(key);
  }

  /** Deliveries under way, so that a drain can wait for them. */
  #counted(): LaneStages['delivery'] {
    const { delivery } = this.#options.stages;
    return {
      commitOn: delivery.commitOn,
      deliver: async (records, permit, observer, signal) => {
        this.#running++;
        try {
          await delivery.deliver(records, permit, observer, signal);
        } finally {
          this.#running--;
          if (this.#running === 0) this.#idle?.();
        }
      },
    };
  }

  /** Completions of a lost assignment find no partition of their epoch, and change nothing. */
  #observer(key: string, tracker: OffsetTracker): DeliveryObserver {
    const current = () => {
      const owned = this.#owned.get(key);
      return owned?.tracker === tracker ? owned : undefined;
    };
    return {
      accepted: (record) => {
        if (current()) tracker.accepted(record.source.offset);
      },
      settled: (record, settlement) => {
        const owned = current();
        if (owned) {
          tracker.settled(record.source.offset);
          owned.lastProgressAt = Date.now();
          this.#buffer.give(key, record.source.sizeBytes);
          this.#resumeWhatMay();
          this.#options.events.settled(record, settlement);
        }
      },
      returned: (record) => {
        const owned = current();
        if (owned && !owned.abort.signal.aborted) owned.lane.putBack(record.source);
      },
    };
  }

  #resumeWhatMay(): void {
    if (!this.#taking) return;
    const ready: TopicPartition[] = [];
    for (const [key, owned] of this.#owned) {
      if (!owned.paused || owned.stopped !== undefined || !this.#buffer.mayResume(key)) continue;
      owned.paused = false;
      ready.push({ topic: owned.topic, partition: owned.partition });
    }
    if (ready.length > 0) this.#source.resume(ready);
  }
}

export function keyOf(at: TopicPartition): string {
  return `${at.topic}/${at.partition}`;
}

export function lostMessage({ topic, partition, from, to }: LostRange): string {
  return `${to - from} offsets of ${topic}/${partition} were lost before they were read: ${from} to ${to - 1n} are gone from the log`;
}

/** One sentence for a log that is not the one that was read before. */
export function backwardsMessage(at: TopicPartition, found: bigint, position: bigint): string {
  return (
    `${at.topic}/${at.partition} went backwards: it has offset ${found} where ${position} was next. ` +
    'The topic was made anew or its log truncated; nothing more is read or committed of this partition until the bridge is started again'
  );
}
