import { encodeBatch, nextSequence, type Codec } from './record-batch.js';
import type { PartitionBatch } from './sender.js';

/** What a broker knows a producer by. */
export interface ProducerId {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** What it knows a partition's batches by. */
interface Sequence extends ProducerId {
  next: number;
}

/**
 * Sequences of our own, one for each partition, which move on only when a batch is known to be in the log; and the bytes
 * of batches that were tried: a repetition must be the same, or the broker does not know it.
 */
export class Sequences {
  readonly #codec: Codec | undefined;
  readonly #ask: () => Promise<ProducerId>;
  readonly #sequences = new Map<string, Sequence>();
  readonly #encoded = new WeakMap<PartitionBatch, Promise<Buffer>>();
  #producerId: Promise<ProducerId> | undefined;

  /** @param ask asks Kafka for a new ID */
  constructor(codec: Codec | undefined, ask: () => Promise<ProducerId>) {
    this.#codec = codec;
    this.#ask = ask;
  }

  /** Whether a batch of a partition can be encoded without asking Kafka. */
  has(topic: string, partition: number): boolean {
    return this.#sequences.has(placeText(topic, partition));
  }

  encode(batch: PartitionBatch): Promise<Buffer> {
    let encoded = this.#encoded.get(batch);
    if (encoded === undefined) {
      encoded = this.#sequenceOf(batch).then(({ producerId, producerEpoch, next: first }) =>
        encodeBatch(batch.records, { producerId, producerEpoch, first }, this.#codec),
      );
      this.#encoded.set(batch, encoded);
      // What failed before there were any bytes may begin anew.
      encoded.catch(() => this.#encoded.delete(batch));
    }
    return encoded;
  }

  /** It has not left: it may be encoded anew. What waits for an ID that never comes is not waited for again. */
  forget(batch: PartitionBatch): void {
    this.#encoded.delete(batch);
  }

  written({ topic, partition, records }: PartitionBatch): void {
    const sequence = this.#sequences.get(placeText(topic, partition))!;
    sequence.next = nextSequence(sequence.next, records.length);
  }

  /** A partition begins anew, under another ID. */
  renew(topic: string, partition: number): void {
    this.#sequences.delete(placeText(topic, partition));
    this.#producerId = undefined;
  }

  /** An ID that was asked for on connections that are given up may never come. */
  askAnew(): void {
    this.#producerId = undefined;
  }

  async #sequenceOf({ topic, partition }: PartitionBatch): Promise<Sequence> {
    const key = placeText(topic, partition);
    const known = this.#sequences.get(key);
    if (known) return known;
    const fresh: Sequence = { ...(await this.#newProducerId()), next: 0 };
    // An earlier call may have waited for long.
    const sequence = this.#sequences.get(key) ?? fresh;
    this.#sequences.set(key, sequence);
    return sequence;
  }

  #newProducerId(): Promise<ProducerId> {
    if (this.#producerId === undefined) {
      const asked = this.#ask();
      this.#producerId = asked;
      asked.catch(() => {
        if (this.#producerId === asked) this.#producerId = undefined;
      });
    }
    return this.#producerId;
  }
}

export function placeText(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}
