import type { KafkaLog, LogReadOptions, Offsets } from '../../../bridge/intake/kafka-log.js';
import type { SentRecord } from '../../../bridge/producer/outgoing.js';
import type { Producer } from '../../../bridge/producer/producer.js';
import type { ProducerMessage } from '../../../bridge/producer/producer-options.js';
import { SendError } from '../../../bridge/producer/send-error.js';
import type { SourceRecord } from '../../../bridge/record.js';
import { sourceRecord } from './mapped-records.js';

/** A topic in memory, which outlives who sends to it. */
export class TopicDouble implements Pick<KafkaLog, 'logs' | 'read'> {
  readonly partitions: SourceRecord[][];

  constructor(partitions: number) {
    this.partitions = Array.from({ length: partitions }, () => []);
  }

  get records(): readonly SourceRecord[] {
    return this.partitions.flat();
  }

  append(partition: number, { key = null, value, headers = {} }: ProducerMessage): SentRecord {
    const log = this.partitions[partition]!;
    const offset = BigInt(log.length);
    log.push(
      sourceRecord({
        partition,
        offset,
        key: key === null ? null : Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        headers: headers as SourceRecord['headers'],
      }),
    );
    return { topic: 'orders', partition, offset: offset.toString(), timestamp: 1 };
  }

  async logs() {
    return this.partitions.map((log, partition) => ({
      topic: 'orders',
      partition,
      start: 0n,
      end: BigInt(log.length),
    }));
  }

  async *read(_topic: string, from: Offsets, { to }: LogReadOptions = {}): AsyncIterable<SourceRecord> {
    for (const [partition, at] of from)
      yield* this.partitions[partition]!.slice(Number(at), Number(to?.get(partition) ?? Infinity));
  }
}

interface Sending {
  readonly message: ProducerMessage;
  readonly resolve: (place: SentRecord) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A producer that takes its time: records are appended, in order by partition, and acknowledged later, both at steps that
 * `next` chooses. After a number of steps its process is killed: what it has not done by then it never does.
 */
export class SlowProducer implements Pick<Producer, 'start' | 'send' | 'hasRoom' | 'room' | 'flush'> {
  readonly #topic: TopicDouble;
  readonly #next: (below: number) => number;
  readonly #lanes: Sending[][];
  readonly #unacknowledged: (Sending & { readonly place: SentRecord })[][];
  readonly #onKill: () => void;
  #steps: number;
  #stepping = false;
  #waiting: (() => void)[] = [];
  killed = false;

  constructor(
    topic: TopicDouble,
    options: { next: (below: number) => number; killAfter: number; onKill: () => void },
  ) {
    this.#topic = topic;
    this.#next = options.next;
    this.#steps = options.killAfter;
    this.#onKill = options.onKill;
    this.#lanes = topic.partitions.map(() => []);
    this.#unacknowledged = topic.partitions.map(() => []);
  }

  async start(): Promise<void> {}

  async flush(): Promise<void> {}

  hasRoom(): boolean {
    return this.#lanes.reduce((sum, lane) => sum + lane.length, 0) < 50;
  }

  room(_bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.push(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  send(message: ProducerMessage): Promise<SentRecord> {
    return new Promise((resolve, reject) => {
      if (this.killed) return reject(gone());
      const partition = message.partition ?? String(message.key).length % this.#lanes.length;
      this.#lanes[partition]!.push({ message, resolve, reject });
      this.#stepSoon();
    });
  }

  #stepSoon(): void {
    if (this.#stepping) return;
    this.#stepping = true;
    setImmediate(() => {
      this.#stepping = false;
      this.#step();
    });
  }

  #step(): void {
    if (--this.#steps < 0) return this.#kill();
    const partition = this.#next(this.#lanes.length);
    const lane = this.#lanes[partition]!;
    const unacknowledged = this.#unacknowledged[partition]!;
    if (unacknowledged.length > 0) {
      for (const { resolve, place } of unacknowledged.splice(0)) resolve(place);
    } else {
      for (const sending of lane.splice(0, 1 + this.#next(20)))
        unacknowledged.push({ ...sending, place: this.#topic.append(partition, sending.message) });
    }
    for (const wake of this.#waiting.splice(0)) wake();
    if ([...this.#lanes, ...this.#unacknowledged].some((one) => one.length > 0)) this.#stepSoon();
  }

  #kill(): void {
    this.killed = true;
    this.#onKill();
    // Of a process that is gone nobody hears; here whoever waits is let go.
    for (const waiting of [...this.#unacknowledged, ...this.#lanes])
      for (const { reject } of waiting.splice(0)) reject(gone());
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function gone(): SendError {
  return new SendError('KTB_CLOSED', 'the process was killed', { topic: 'orders' });
}
