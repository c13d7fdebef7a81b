import type {
  CommitEntry,
  PartitionLog,
  RecordSource,
  SourceListener,
  TopicPartition,
} from '../../../bridge/intake/record-source.js';
import { commitMetadata, reachIn } from '../../../bridge/intake/subscription.js';
import type { SourceRecord } from '../../../bridge/record.js';
import { sourceRecord } from './mapped-records.js';

interface Log {
  readonly at: TopicPartition;
  start: bigint;
  end: bigint;
  records: SourceRecord[];
}

const textOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** Kafka with one consumer group of one member, in memory: it fetches when it is told to, as `KafkaSource` does. */
export class SourceDouble implements RecordSource {
  readonly #logs = new Map<string, Log>();
  readonly #committed = new Map<
    string,
    { readonly at: TopicPartition; readonly position: bigint; readonly metadata: string }
  >();
  readonly #positions = new Map<string, bigint>();
  readonly #paused = new Set<string>();
  #assigned: readonly TopicPartition[] = [];
  #listener: SourceListener | undefined;
  lastFetchAt = Date.now();
  /** Why it was rebuilt. */
  readonly rebuilds: string[] = [];
  /** Set it: then a commit is refused. */
  refuseCommits: Error | undefined;

  listen(listener: SourceListener): void {
    this.#listener = listener;
  }

  /** Appends records. @returns them */
  produce(at: TopicPartition, count: number, fields: Partial<SourceRecord> = {}): readonly SourceRecord[] {
    const log = this.#log(at);
    const made = Array.from({ length: count }, () =>
      sourceRecord({ timestampMs: 1000 + Number(log.end), ...fields, ...at, offset: log.end++ }),
    );
    log.records.push(...made);
    return made;
  }

  /** Appends what no consumer ever gets: transaction markers, compacted offsets. */
  skip(at: TopicPartition, count: number): void {
    this.#log(at).end += BigInt(count);
  }

  /** Retention takes what is before this offset. */
  trim(at: TopicPartition, start: bigint): void {
    const log = this.#log(at);
    log.start = start;
    log.records = log.records.filter(({ offset }) => offset >= start);
  }

  /** The topic is deleted and made again: the consumer does not notice. */
  remake(at: TopicPartition): void {
    this.#logs.delete(textOf(at));
    this.#log(at);
  }

  /** The group gives these to us. Positions of those that were not ours are asked for. */
  assign(partitions: readonly TopicPartition[], rejoined = false): void {
    const listener = this.#listener!;
    this.#assigned = partitions;
    const kept = new Map(
      listener.assigned(partitions, rejoined).map((wish) => [textOf(wish), wish.position]),
    );
    this.#paused.clear();
    for (const at of partitions) {
      const key = textOf(at);
      const { start, end } = this.#log(at);
      const found = this.#committed.get(key);
      const position =
        kept.get(key) ??
        listener.placed(at, found?.position, { ...at, start, end }, found && reachIn(found.metadata));
      if (position === undefined) this.#paused.add(key);
      else this.#positions.set(key, position);
      if (listener.shouldPause(at)) this.#paused.add(key);
    }
  }

  /** Fetches once of each partition that isn't paused. @returns how many records were taken or seen */
  poll(batch = 500): number {
    let handed = 0;
    for (const at of this.#assigned) if (!this.#paused.has(textOf(at))) handed += this.#fetch(at, batch);
    return handed;
  }

  /** Goes back, as kafkajs does after a rebalance. */
  rewind(at: TopicPartition, position: bigint): void {
    this.#positions.set(textOf(at), position);
  }

  isPaused(at: TopicPartition): boolean {
    return this.#paused.has(textOf(at));
  }

  positionOf(at: TopicPartition): bigint | undefined {
    return this.#positions.get(textOf(at));
  }

  committedOf(at: TopicPartition): bigint | undefined {
    return this.#committed.get(textOf(at))?.position;
  }

  setCommitted(at: TopicPartition, position: bigint, metadata = ''): void {
    this.#committed.set(textOf(at), { at, position, metadata });
  }

  logOf(at: TopicPartition): PartitionLog {
    const { start, end } = this.#log(at);
    return { ...at, start, end };
  }

  async open(): Promise<void> {}

  async existingTopics(): Promise<string[]> {
    return [...new Set([...this.#logs.values()].map(({ at }) => at.topic))];
  }

  async start(listener: SourceListener): Promise<void> {
    this.listen(listener);
    this.assign([...this.#logs.values()].map(({ at }) => at));
    listener.connected();
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#paused.add(textOf(at));
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#paused.delete(textOf(at));
  }

  seek(at: TopicPartition, position: bigint): void {
    this.#positions.set(textOf(at), position);
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    if (this.refuseCommits) throw this.refuseCommits;
    const ours = new Set(this.#assigned.map(textOf));
    for (const { topic, partition, position, reach } of entries) {
      const metadata = commitMetadata({ name: 'double' }, reach);
      if (ours.has(textOf({ topic, partition }))) this.setCommitted({ topic, partition }, position, metadata);
    }
  }

  async logs(topics: readonly string[]): Promise<readonly PartitionLog[]> {
    return [...this.#logs.values()]
      .filter(({ at }) => topics.includes(at.topic))
      .map(({ at }) => this.logOf(at));
  }

  async committed(
    topics: readonly string[],
  ): Promise<readonly (CommitEntry & { readonly metadata: string })[]> {
    return [...this.#committed.values()]
      .filter(({ at }) => topics.includes(at.topic))
      .map(({ at, position, metadata }) => ({ ...at, position, metadata }));
  }

  async retentionMs(): Promise<number | undefined> {
    return undefined;
  }

  async rebuild(why: string): Promise<void> {
    this.rebuilds.push(why);
  }

  async stop(): Promise<void> {
    this.#assigned = [];
  }

  #log(at: TopicPartition): Log {
    const key = textOf(at);
    let log = this.#logs.get(key);
    if (!log) this.#logs.set(key, (log = { at, start: 0n, end: 0n, records: [] }));
    return log;
  }

  #fetch(at: TopicPartition, batch: number): number {
    const listener = this.#listener!;
    const key = textOf(at);
    const log = this.#log(at);
    const from = this.#positions.get(key);
    if (from === undefined) return 0;
    this.lastFetchAt = Date.now();
    const records = log.records.filter(({ offset }) => offset >= from).slice(0, batch);
    let handed = 0;
    let whole = true;
    for (const record of records) {
      if (listener.offer(record, log.end) === 'full') {
        whole = false;
        break;
      }
      handed++;
      this.#positions.set(key, record.offset + 1n);
    }
    const next = log.records.find(({ offset }) => offset > (records.at(-1)?.offset ?? from - 1n));
    const passed = next?.offset ?? log.end;
    if (whole && passed > from) {
      listener.passed(at, passed);
      this.#positions.set(key, passed);
    }
    if (listener.shouldPause(at)) this.#paused.add(key);
    return handed;
  }
}
