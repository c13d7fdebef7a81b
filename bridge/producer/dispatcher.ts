import type { ResolvedProducer } from '../config/resolve-producer.js';
import type { Logger } from '../observe/logger.js';
import { DROPPED, Fates } from './fates.js';
import type { KafkaCircuit } from './kafka-circuit.js';
import { isExpired, type CutLimits, type Flight, type Lane } from './lane.js';
import { Lanes } from './lanes.js';
import type { ProducerObserver } from './observer.js';
import type { Outgoing } from './outgoing.js';
import type { Partitioner } from './partitioner.js';
import { SendBuffer } from './send-buffer.js';
import type { PartitionResult, Sender } from './sender.js';
import type { Spill } from './spill-file.js';
import { SpillReplay } from './spill-replay.js';
import { backoffMs, MISSING_MS, TopicPlaces } from './topic-places.js';

export interface DispatcherOptions {
  readonly sender: Sender;
  readonly spill: Spill | undefined;
  readonly circuit: KafkaCircuit;
  readonly partitioner: Partitioner;
  readonly producer: ResolvedProducer;
  readonly observer: ProducerObserver;
  readonly logger: Logger;
  readonly metadataMaxAgeMs: number;
}

/** A batch is compressed, but a broker unpacks it; its default is 1 MB, of what is packed. */
const MAX_BATCH_BYTES = 900_000;
const AWAY = 'Kafka is away';

/**
 * The way of a record out: a place in the buffer, a lane by its partition, a batch, Kafka's answer. A lane has one batch
 * under way, and sends it again as it is until it is known what became of it; only then the next one leaves.
 */
export class Dispatcher {
  readonly buffer: SendBuffer;
  readonly #options: DispatcherOptions;
  readonly #lanes = new Lanes();
  readonly #places: TopicPlaces;
  readonly #fates: Fates;
  readonly #replay: SpillReplay | undefined;
  readonly #limits: CutLimits;
  #underWay = 0;
  #pumping = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #flushing = 0;
  #ended = false;
  #idle: (() => void)[] = [];
  readonly #room = new Set<() => void>();

  constructor(options: DispatcherOptions) {
    this.#options = options;
    const { sender, spill, circuit, producer, observer, logger, metadataMaxAgeMs } = options;
    this.buffer = new SendBuffer(producer.buffer);
    const changed = (): void => this.#changed();
    const enter = (record: Outgoing): void => void this.#place(record);
    this.#fates = new Fates({ buffer: this.buffer, spill, observer, logger, producer, enter, changed });
    this.#replay =
      spill && new SpillReplay({ spill, fates: this.#fates, buffer: this.buffer, enter, logger });
    this.#places = new TopicPlaces({
      sender,
      circuit,
      maxAgeMs: metadataMaxAgeMs,
      isMade: (topic) => producer.deadLetterSuffix !== false && topic.endsWith(producer.deadLetterSuffix),
      known: (topic) => this.#known(topic),
      refused: (topic, why) => this.#refuseAll(this.#lanes.of(topic, undefined), why),
    });
    this.#limits = {
      bytes: Math.max(MAX_BATCH_BYTES, producer.batchBytes),
      mayLeave: (record) => this.#replay?.mayLeave(record) ?? true,
    };
    circuit.onChange(() => {
      observer.circuit(circuit.state);
      if (circuit.shut) this.#spillAll();
      this.#pumpSoon();
    });
    if (this.#replay) this.#pumpSoon();
  }

  /** Records that are in memory, or stand in the line. */
  get busy(): boolean {
    return this.buffer.records > 0 || this.buffer.next !== undefined;
  }

  /** Takes a record over: its ending is called once, in any case. */
  accept(record: Outgoing): void {
    const { circuit, producer } = this.#options;
    if (this.#refusedAtDoor(record)) return;
    if (record.bytes > producer.buffer.bytes) {
      this.buffer.force(record);
      const { bytes } = producer.buffer;
      this.#fates.refused(record, `it has ${record.bytes} bytes, and the buffer ${bytes}`, true);
      return;
    }
    const { verdict, dropped } = this.buffer.admit(record);
    for (const one of dropped) this.#drop(one);
    if (verdict === 'refused') {
      const reason = record.priority === 'low' ? 'low_priority_drop' : 'timeout_drop';
      this.#fates.refusedAtDoor(record, 'KTB_BACK_PRESSURE', DROPPED[reason], reason);
      return;
    }
    if (verdict === 'waits') this.#wakeAt(record.acceptedAtMs + producer.mediumWaitMs);
    const lane = this.#place(record);
    if (circuit.shut) this.#fates.spill(lane, AWAY);
  }

  /** Takes over what can't be sent as it is: only its dead letter leaves. */
  acceptAsDeadLetter(record: Outgoing, why: string): void {
    if (this.#refusedAtDoor(record)) return;
    this.buffer.force(record);
    this.#fates.refused(record, why, false);
  }

  #refusedAtDoor(record: Outgoing): boolean {
    const { circuit, spill } = this.#options;
    if (this.#ended) this.#fates.refusedAtDoor(record, 'KTB_CLOSED', 'the producer is closed');
    else if (circuit.shut && !spill) this.#fates.refusedAtDoor(record, 'KTB_CIRCUIT_OPEN', AWAY);
    else return false;
    return true;
  }

  /** Resolves when there may be room for a record of this size. */
  async room(bytes: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#ended && !this.buffer.hasRoom(bytes)) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#room.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#room.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  /** Resolves when nothing is in memory any more. What stands in the spill file is not waited for. */
  async flush(): Promise<void> {
    this.#flushing++;
    this.#pumpSoon();
    while (this.busy && !this.#ended) await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#flushing--;
  }

  /** What is still here is answered for: it goes to the spill file, or nowhere. */
  end(why: string): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const lane of this.#lanes) {
      for (const record of lane.flight?.records ?? []) this.#fates.abandoned(record, why);
      lane.land();
      this.#fates.spill(lane, why);
      for (const record of lane.removeWhere(() => true)) {
        if (record.ending === undefined) this.#fates.abandoned(record, why);
        else this.#fates.notDelivered(record, why);
      }
    }
    this.#tell();
  }

  /** Into its partition's lane, or, where that is not known yet or others wait to be placed, behind those. */
  #place(record: Outgoing): Lane {
    const { topic } = record;
    const unplaced = this.#lanes.unplaced(topic);
    const partitions = this.#places.partitions(topic);
    const lane =
      partitions === undefined || (unplaced && !unplaced.idle)
        ? this.#lanes.of(topic, undefined)
        : this.#placed(record, partitions);
    lane.add(record);
    this.#pumpSoon();
    return lane;
  }

  #placed(record: Outgoing, partitions: number): Lane {
    record.partition ??= this.#options.partitioner.partitionFor(record, partitions);
    return this.#lanes.of(record.topic, record.partition);
  }

  /** A topic's partitions are known, or it is time to ask again. */
  #known(topic: string): void {
    const partitions = this.#places.partitions(topic);
    const unplaced = this.#lanes.unplaced(topic);
    if (partitions !== undefined && unplaced && unplaced.spilling === 0) {
      for (const record of unplaced.removeWhere(() => true)) this.#placed(record, partitions).add(record);
      this.#lanes.leave(unplaced);
    }
    this.#pumpSoon();
  }

  #refuseAll(lane: Lane, why: string): void {
    for (const record of lane.removeWhere(() => true)) this.#fates.refused(record, why, false);
  }

  #drop(record: Outgoing): void {
    this.#lanes.remove(record);
    this.#fates.droppedFor(record);
  }

  #spillAll(): void {
    for (const lane of this.#lanes) this.#fates.spill(lane, AWAY);
  }

  #changed(): void {
    const entered = this.buffer.letIn();
    if (entered.length > 0) this.#pumpSoon();
    if (this.#room.size > 0) for (const wake of this.#room) wake();
    if (!this.busy) this.#tell();
    this.#pumpSoon();
  }

  #tell(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
    for (const wake of this.#room) wake();
  }

  /**
   * Behind all that follows from what happens now: callers that were answered send their next ones, which go together.
   * A tick: who sends one after another would wait for a turn of the event loop each time.
   */
  #pumpSoon(): void {
    if (this.#pumping || this.#ended) return;
    this.#pumping = true;
    process.nextTick(this.#pumpNow);
  }

  readonly #pumpNow = (): void => {
    this.#pumping = false;
    this.#pump();
  };

  #wakeAt(ms: number): void {
    if (ms >= this.#timerAtMs || this.#ended) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = ms;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Infinity;
        this.#pump();
      },
      Math.max(0, ms - Date.now()),
    );
  }

  #pump(): void {
    if (this.#ended) return;
    const now = Date.now();
    const { circuit, producer } = this.#options;
    if (!circuit.shut) this.#replay?.load();
    for (let next; (next = this.buffer.next) && next.acceptedAtMs + producer.mediumWaitMs <= now;)
      this.#giveUpWaiting(next);
    if (this.buffer.next) this.#wakeAt(this.buffer.next.acceptedAtMs + producer.mediumWaitMs);
    const leaving: Lane[] = [];
    for (const lane of this.#lanes) {
      if (lane.idle) {
        this.#lanes.leave(lane);
        continue;
      }
      this.#expire(lane, now);
      if (lane.partition === undefined) {
        if (lane.queue.length > 0) this.#wakeAt(this.#places.refresh(lane.topic, true));
        continue;
      }
      this.#places.refresh(lane.topic, false);
      if (this.#isDue(lane, now) && leaving.length < circuit.passes) leaving.push(lane);
    }
    if (leaving.length > 0) this.#launch(leaving);
  }

  /** Whether something of a lane is to leave now; if not, wakes up when it is. */
  #isDue(lane: Lane, now: number): boolean {
    const { producer } = this.#options;
    if (lane.flight?.sending) return false;
    const ready = lane.flight !== undefined || lane.canLeave(this.#limits);
    if (!ready) return false;
    if (lane.notBeforeMs > now) {
      this.#wakeAt(lane.notBeforeMs);
      return false;
    }
    if (lane.flight || this.#underWay === 0 || this.#flushing > 0) return true;
    const due = lane.queue[0]!.acceptedAtMs + producer.lingerMs;
    if (due <= now || lane.queuedBytes >= producer.batchBytes) return true;
    this.#wakeAt(due);
    return false;
  }

  /** Answers for what has waited too long. */
  #expire(lane: Lane, now: number): void {
    const { flight } = lane;
    if (flight?.perhapsWritten) {
      for (const record of flight.records)
        if (record.deadlineMs <= now) this.#fates.unknown(record, 'no answer came in time');
    }
    if (lane.hasExpired(now)) {
      const expired = (record: Outgoing): boolean => isExpired(record, now);
      const why = `it could not be sent within ${this.#options.producer.deliveryTimeoutMs} ms`;
      if (this.#options.spill) this.#fates.spill(lane, why, expired);
      else for (const record of lane.removeWhere(expired)) this.#fates.notDelivered(record, why);
    }
    const first = flight?.records[0];
    if (first?.ending && first.deadlineMs > now) this.#wakeAt(first.deadlineMs);
    if (lane.dueMs > now) this.#wakeAt(lane.dueMs);
  }

  #giveUpWaiting(record: Outgoing): void {
    this.#lanes.remove(record);
    this.#fates.dropped(record, 'timeout_drop');
  }

  #launch(lanes: readonly Lane[]): void {
    const flights = lanes.map((lane) => {
      const flight = lane.flight ?? lane.depart(this.#limits);
      for (const record of flight.records) this.buffer.pin(record);
      flight.sending = true;
      return { lane, flight };
    });
    this.#underWay += lanes.length;
    const { circuit, sender } = this.#options;
    const send = async ({ lane, flight }: { lane: Lane; flight: Flight }): Promise<boolean> => {
      const result = await sender.send(flight.batch);
      this.#landed(lane, flight, result);
      return result.kind === 'retry' && result.away;
    };
    void circuit
      .attempt(async () => (await Promise.all(flights.map(send))).every(Boolean))
      .then((asked) => {
        if (asked) return;
        const result = { kind: 'retry', left: false, away: true, why: AWAY } as const;
        for (const { lane, flight } of flights) this.#landed(lane, flight, result);
      });
  }

  #landed(lane: Lane, flight: Flight, result: PartitionResult): void {
    this.#underWay--;
    flight.sending = false;
    if (this.#ended) return;
    if (result.kind === 'written') {
      lane.land();
      lane.failures = 0;
      lane.notBeforeMs = 0;
      lane.unknownSinceMs = undefined;
      this.#fates.delivered(flight.batch, flight.records, result);
    } else this.#failed(lane, flight, result);
    this.#pumpSoon();
  }

  #failed(lane: Lane, flight: Flight, result: Exclude<PartitionResult, { readonly kind: 'written' }>): void {
    const { sender, observer, circuit } = this.#options;
    if (result.kind === 'refused') {
      this.#refused(lane, flight, result.why, result.tooLarge);
      return;
    }
    observer.retried(lane.topic);
    lane.failures++;
    lane.notBeforeMs = Date.now() + backoffMs(lane.failures);
    if (result.kind === 'retry' && result.left) flight.perhapsWritten = true;
    if (result.kind === 'out-of-sequence') {
      // Of what was tried before the broker knows nothing any more: it may be in the log.
      if (flight.perhapsWritten) for (const record of flight.records) this.#fates.unknown(record, result.why);
      sender.renew(lane.topic, lane.partition!);
      this.#turnBack(lane, flight);
    } else if (!flight.perhapsWritten) {
      this.#turnBack(lane, flight);
      if (result.kind === 'unknown-topic') {
        lane.unknownSinceMs ??= Date.now();
        if (Date.now() - lane.unknownSinceMs >= MISSING_MS)
          this.#refuseAll(lane, `there is no partition ${lane.partition} of this topic (${result.why})`);
      }
    }
    if (circuit.shut) this.#fates.spill(lane, AWAY);
  }

  #refused(lane: Lane, flight: Flight, why: string, tooLarge: boolean): void {
    if (flight.perhapsWritten && !tooLarge) {
      // An earlier attempt may have been taken: that it is refused now says nothing of it.
      for (const record of flight.records) this.#fates.unknown(record, why);
      this.#options.sender.renew(lane.topic, lane.partition!);
      this.#turnBack(lane, flight);
    } else if (flight.records.length > 1) {
      // Which one of them it is, is found out by halves.
      lane.maxRecords = Math.ceil(flight.records.length / 2);
      this.#turnBack(lane, flight);
    } else {
      lane.land();
      lane.maxRecords = Infinity;
      this.#fates.refused(flight.records[0]!, why, tooLarge);
    }
  }

  #turnBack(lane: Lane, flight: Flight): void {
    lane.turnBack();
    for (const record of flight.records) this.buffer.unpin(record);
  }
}
