import type {
  PartitionBatch,
  PartitionResult,
  Sender,
  TopicAnswer,
} from '../../../bridge/producer/sender.js';
import { resultOfError } from '../../../bridge/producer/broker-answers.js';
import { decodeBody } from '../../../bridge/producer/record-body.js';

/**
 * What happens to a batch: `lost` never arrives, `ack-lost` is written and the answer is not heard, `away` finds nobody,
 * `no-leader` nobody who takes it, `moved` is written by a leader that then is none any more, `forgotten` meets a broker
 * that has forgotten the sequence.
 */
export type Fault = 'none' | 'lost' | 'ack-lost' | 'away' | 'no-leader' | 'moved' | 'forgotten';

const NOT_LEADER = 6;

/** A Kafka in memory that takes a batch once, as long as it is sent again as it was. */
export class SenderDouble implements Sender {
  /** By `topic/partition`: the records' values. */
  readonly logs = new Map<string, string[]>();
  readonly topics = new Map<string, number>();
  /** Of the next sends; then `fault`. */
  readonly faults: Fault[] = [];
  fault: Fault = 'none';
  /** Values that the broker takes under no circumstances. */
  refuses: (value: string, topic: string) => 'too-large' | 'invalid' | undefined = () => undefined;
  /** What no sender may do, and was done. */
  readonly violations: string[] = [];
  sends = 0;
  /** Resolves each send; while it is set, nothing is answered. */
  gate: Promise<void> | undefined;
  readonly #offsets = new WeakMap<PartitionBatch, number>();
  /** By partition: a batch whose fate the sender does not know. */
  readonly #open = new Map<string, PartitionBatch>();
  readonly #underWay = new Set<string>();

  constructor(topics: Readonly<Record<string, number>> = {}) {
    for (const [topic, partitions] of Object.entries(topics)) this.topics.set(topic, partitions);
  }

  log(topic: string, partition: number): string[] {
    const key = `${topic}/${partition}`;
    let log = this.logs.get(key);
    if (!log) this.logs.set(key, (log = []));
    return log;
  }

  all(topic: string): string[] {
    return [...this.logs].flatMap(([key, values]) => (key.startsWith(`${topic}/`) ? values : []));
  }

  async partitionsOf(topic: string): Promise<TopicAnswer> {
    await this.gate;
    if (this.fault === 'away') return { kind: 'retry', why: 'nobody is there' };
    const count = this.topics.get(topic);
    return count === undefined ? { kind: 'unknown-topic' } : { kind: 'partitions', count };
  }

  async send(batch: PartitionBatch): Promise<PartitionResult> {
    const { topic, partition, records } = batch;
    const key = `${topic}/${partition}`;
    this.sends++;
    if (this.#underWay.has(key)) this.violations.push(`two batches of ${key} at the same time`);
    const open = this.#open.get(key);
    if (open && open !== batch) this.violations.push(`another batch of ${key} while one's fate is unknown`);
    this.#underWay.add(key);
    await this.gate;
    await Promise.resolve();
    this.#underWay.delete(key);
    const fault = this.faults.shift() ?? this.fault;
    if (fault === 'away') return { kind: 'retry', left: false, away: true, why: 'nobody is there' };
    if (fault === 'no-leader') return { kind: 'retry', left: false, away: false, why: 'no leader' };
    if (fault === 'forgotten') return { kind: 'out-of-sequence', why: 'forgotten' };
    if (fault === 'lost') return this.#unheard(key, batch);
    if (partition >= (this.topics.get(topic) ?? 0)) return { kind: 'unknown-topic', why: 'unknown' };
    const values = records.map(({ body }) => String(decodeBody(body).value));
    const refused = this.#offsets.has(batch)
      ? undefined
      : values.map((value) => this.refuses(value, topic)).find(Boolean);
    if (refused !== undefined) {
      this.#open.delete(key);
      return { kind: 'refused', tooLarge: refused === 'too-large', why: refused };
    }
    const log = this.log(topic, partition);
    let base = this.#offsets.get(batch);
    if (base === undefined) {
      base = log.length;
      this.#offsets.set(batch, base);
      log.push(...values);
    }
    if (fault === 'ack-lost') return this.#unheard(key, batch);
    if (fault === 'moved') {
      this.#open.set(key, batch);
      return resultOfError(NOT_LEADER).result;
    }
    this.#open.delete(key);
    return { kind: 'written', baseOffset: BigInt(base), appendedAtMs: undefined };
  }

  renew(topic: string, partition: number): void {
    this.#open.delete(`${topic}/${partition}`);
  }

  async createTopic(topic: string): Promise<void> {
    if (this.fault === 'away') throw new Error('nobody is there');
    this.topics.set(topic, 1);
  }

  async close(): Promise<void> {}

  #unheard(key: string, batch: PartitionBatch): PartitionResult {
    this.#open.set(key, batch);
    return { kind: 'retry', left: true, away: true, why: 'no answer' };
  }
}
