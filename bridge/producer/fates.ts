import type { ResolvedProducer } from '../config/resolve-producer.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { deadLetterBody, deadLetterTopicOf } from './dead-letter.js';
import type { Lane } from './lane.js';
import type { ProducerObserver } from './observer.js';
import type { Outgoing, SentRecord } from './outgoing.js';
import type { SendBuffer } from './send-buffer.js';
import { SendError, type DropReason, type SendErrorCode } from './send-error.js';
import type { PartitionBatch, Written } from './sender.js';
import type { Spill } from './spill-file.js';
import { spillKey } from './spill-index.js';

export interface FatesOptions {
  readonly buffer: SendBuffer;
  readonly spill: Spill | undefined;
  readonly observer: ProducerObserver;
  readonly logger: Logger;
  readonly producer: Pick<ResolvedProducer, 'deadLetterSuffix' | 'deliveryTimeoutMs'>;
  /** A record that stands in another's place, to be sent as others are. */
  readonly enter: (record: Outgoing) => void;
  /** There is room in the buffer, or a lane may go on. */
  readonly changed: () => void;
}

export const DROPPED: Readonly<Record<DropReason, string>> = {
  old_message_dropped: 'a record of higher or the same priority took its place in the full buffer',
  timeout_drop: 'the buffer is full, and there was no room in time',
  low_priority_drop: 'the buffer is full, and its priority is low',
};

/**
 * How records end. Each caller is answered once, in one way; what was answered "unknown" or stands in the spill file
 * goes on being sent, without a caller.
 */
export class Fates {
  readonly #options: FatesOptions;
  /** Records in memory that also stand in the spill file, by their key there. */
  readonly #inMemory = new Map<string, number>();

  constructor(options: FatesOptions) {
    this.#options = options;
  }

  /** How many of a key's spilled records are in memory: only the file's first ones, and no others before they are done. */
  inMemory(key: string): number {
    return this.#inMemory.get(key) ?? 0;
  }

  get replaying(): number {
    let sum = 0;
    for (const count of this.#inMemory.values()) sum += count;
    return sum;
  }

  /** A record of the spill file is in memory from now on. */
  marked(record: Outgoing, key: string): void {
    record.spilledAs = key;
    this.#inMemory.set(key, this.inMemory(key) + 1);
  }

  /** A batch is in the log. */
  delivered(
    { topic, partition }: PartitionBatch,
    records: readonly Outgoing[],
    { baseOffset, appendedAtMs }: Written,
  ): void {
    const now = Date.now();
    // As numbers, which no log outgrows: as bigints they would take longer than the rest of this.
    const first = Number(baseOffset);
    for (let index = 0; index < records.length; index++) {
      const record = records[index]!;
      // A repetition that the broker knows, but not where it stands, has no offset.
      const offset = first < 0 ? '-1' : String(first + index);
      this.#delivered(
        record,
        { topic, partition, offset, timestamp: appendedAtMs ?? record.timestampMs },
        now,
      );
    }
    this.#options.changed();
  }

  #delivered(record: Outgoing, place: SentRecord, now: number): void {
    const { ending, deadLetterOf, topic } = record;
    const { observer } = this.#options;
    record.ending = undefined;
    this.#finish(record);
    if (deadLetterOf === undefined) {
      observer.sent(topic, (now - record.acceptedAtMs) / 1000);
      ending?.delivered(place);
      return;
    }
    observer.deadLettered(topic);
    ending?.failed(
      new SendError(
        'KTB_DEAD_LETTERED',
        `The record can't be sent (${deadLetterOf}); it stands in ${topic}, partition ${place.partition}, offset ${place.offset}`,
        {
          topic,
          deadLetter: { topic: place.topic, partition: place.partition, offset: place.offset },
        },
      ),
    );
  }

  /** It was not taken: it has no place that it could leave. */
  refusedAtDoor(
    record: Outgoing,
    code: 'KTB_CIRCUIT_OPEN' | 'KTB_BACK_PRESSURE' | 'KTB_CLOSED',
    why: string,
    reason?: DropReason,
  ): void {
    const { ending, topic } = record;
    record.ending = undefined;
    record.finished = true;
    if (reason) this.#options.observer.dropped(topic, reason);
    else if (code === 'KTB_CIRCUIT_OPEN') this.#options.observer.refused(topic);
    ending?.failed(new SendError(code, `The record was not sent: ${why}`, { topic, reason }));
  }

  /** The buffer has taken its place away already. */
  droppedFor(record: Outgoing): void {
    this.refusedAtDoor(record, 'KTB_BACK_PRESSURE', DROPPED.old_message_dropped, 'old_message_dropped');
  }

  dropped(record: Outgoing, reason: DropReason): void {
    this.#options.observer.dropped(record.topic, reason);
    this.#fail(record, 'KTB_BACK_PRESSURE', `The record was not sent: ${DROPPED[reason]}`, { reason });
  }

  /** It is in no log and no file, and is not tried again. */
  notDelivered(
    record: Outgoing,
    why: string,
    code: SendErrorCode = 'KTB_NOT_DELIVERED',
    cause?: unknown,
  ): void {
    if (record.ending === undefined) this.#lost(record, why);
    this.#options.observer.notDelivered(record.topic);
    this.#fail(record, code, `The record was not sent: ${why}`, { cause });
  }

  /** Its time is over, and it may be in the log. Its caller is told; it goes on being tried, first of its partition. */
  unknown(record: Outgoing, why: string): void {
    this.#unknown(record, why, 'it is tried again, with the same idempotency key', (key) => {
      if (record.finished) this.#options.spill!.done(key, record.order);
      else this.marked(record, key);
    });
  }

  /** The same, where the producer closes: it is tried again from the spill file, or not at all. */
  abandoned(record: Outgoing, why: string): void {
    const next = this.#options.spill
      ? 'it stands in the spill file, and is sent again from there, with the same idempotency key'
      : 'the producer is closed, and does not try it again';
    this.#unknown(record, why, next, () => undefined);
    this.#finish(record, false);
    this.#options.changed();
  }

  #unknown(record: Outgoing, why: string, next: string, kept: (key: string) => void): void {
    const { ending, topic } = record;
    if (ending === undefined) return;
    const { buffer, observer, spill, logger } = this.#options;
    observer.unknown(topic);
    record.ending = undefined;
    buffer.pin(record);
    ending.failed(
      new SendError('KTB_DELIVERY_UNKNOWN', `Whether the record is in Kafka is not known (${why}); ${next}`, {
        topic,
      }),
    );
    if (!spill || record.spilledAs !== undefined) return;
    const key = spillKey(topic, record.partition);
    spill.append([record]).then(
      () => kept(key),
      (error: unknown) => logger.warn({ err: error, topic }, 'a record of unknown fate is in memory only'),
    );
  }

  /** Kafka takes it neither now nor later. */
  refused(record: Outgoing, why: string, tooLarge: boolean): void {
    const { producer, enter, buffer } = this.#options;
    const target =
      record.deadLetterOf === undefined
        ? deadLetterTopicOf(record.topic, producer.deadLetterSuffix)
        : undefined;
    if (target === undefined) {
      const first = record.deadLetterOf === undefined ? '' : `${record.deadLetterOf}, and as a dead letter: `;
      this.notDelivered(record, `${first}${why}`);
      return;
    }
    const body = deadLetterBody(record.body, record.topic, why, tooLarge);
    const letter: Outgoing = {
      ...record,
      topic: target,
      partition: undefined,
      body,
      bytes: body.length,
      waits: false,
      deadlineMs: record.ending ? Date.now() + producer.deliveryTimeoutMs : Infinity,
      deadLetterOf: why,
    };
    // The letter takes over the caller, and the place in the spill file.
    this.#leave(record);
    buffer.force(letter);
    buffer.unpin(letter);
    record.finished = true;
    enter(letter);
  }

  /** Takes records of a lane, in order, to the spill file. Those whose callers were answered stay in memory. */
  spill(lane: Lane, why: string, condition: (record: Outgoing) => boolean = () => true): void {
    const { spill, buffer, changed } = this.#options;
    if (!spill) return;
    const records = lane.removeWhere((record) => record.ending !== undefined && condition(record));
    if (records.length === 0) return;
    lane.spilling += records.length;
    for (const record of records) {
      if (record.waits) {
        buffer.leaveLine(record);
        buffer.force(record);
      }
      buffer.pin(record);
    }
    void this.#append(spill, records, why).then(() => {
      lane.spilling -= records.length;
      changed();
    });
  }

  /** Answers for each when the disk has, or has not, taken them all. */
  async #append(spill: Spill, records: readonly Outgoing[], why: string): Promise<void> {
    try {
      await spill.append(records);
    } catch (error) {
      const message = `${why}; ${messageOf(error)}`;
      for (const record of records) this.notDelivered(record, message, 'KTB_NOT_DELIVERED', error);
      return;
    }
    const message = `The record was not sent (${why}); it stands in the spill file, and is sent from there`;
    for (const record of records) {
      this.#options.observer.spilled(record.topic);
      this.#fail(record, 'KTB_SPILLED', message, {});
    }
  }

  #fail(
    record: Outgoing,
    code: SendErrorCode,
    message: string,
    more: { readonly reason?: DropReason; readonly cause?: unknown },
  ): void {
    const { ending, topic } = record;
    record.ending = undefined;
    this.#finish(record);
    this.#options.changed();
    ending?.failed(new SendError(code, message, { topic, ...more }));
  }

  /** Nobody waits for it any more: so this is said where somebody looks. */
  #lost(record: Outgoing, why: string): void {
    const { topic, order } = record;
    this.#options.logger.error(
      { topic, order, why },
      'a record whose sender was told that it would be sent later can never be sent',
    );
  }

  #finish(record: Outgoing, crossOut = true): void {
    record.finished = true;
    this.#leave(record);
    const key = record.spilledAs;
    if (key === undefined) return;
    const left = this.inMemory(key) - 1;
    if (left > 0) this.#inMemory.set(key, left);
    else this.#inMemory.delete(key);
    if (crossOut) this.#options.spill!.done(key, record.order);
  }

  #leave(record: Outgoing): void {
    const { buffer } = this.#options;
    if (record.waits) buffer.leaveLine(record);
    else buffer.release(record);
  }
}
