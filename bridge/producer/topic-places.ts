import type { KafkaCircuit } from './kafka-circuit.js';
import type { Sender, TopicAnswer } from './sender.js';

export interface TopicPlacesOptions {
  readonly sender: Sender;
  readonly circuit: KafkaCircuit;
  /** After so long a topic is asked for again: it may have got more partitions. */
  readonly maxAgeMs: number;
  /** Whether a topic that is missing is made: one of dead letters is. */
  readonly isMade: (topic: string) => boolean;
  /** A topic has partitions, or more of them. */
  readonly known: (topic: string) => void;
  /** There is no such topic, for longer than a new one takes to be known, or we may not write to it. */
  readonly refused: (topic: string, why: string) => void;
}

interface Place {
  partitions: number | undefined;
  askedAtMs: number;
  asking: boolean;
  notBeforeMs: number;
  failures: number;
  missingSinceMs: number | undefined;
  made: boolean;
}

/** A topic that has just been made is not known to all brokers at once. */
export const MISSING_MS = 5_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;

/** How long after so many failures in a row it is tried again. */
export function backoffMs(failures: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
}

/** How many partitions topics have: asked when a topic is first met, and now and then. */
export class TopicPlaces {
  readonly #options: TopicPlacesOptions;
  readonly #places = new Map<string, Place>();

  constructor(options: TopicPlacesOptions) {
    this.#options = options;
  }

  partitions(topic: string): number | undefined {
    return this.#places.get(topic)?.partitions;
  }

  /**
   * Asks where it is time to. `wanted`: records wait for the answer.
   * @returns when it is to be called again; `Infinity`: an answer is awaited, and tells itself
   */
  refresh(topic: string, wanted: boolean): number {
    let place = this.#places.get(topic);
    if (!place) {
      place = {
        partitions: undefined,
        askedAtMs: 0,
        asking: false,
        notBeforeMs: 0,
        failures: 0,
        missingSinceMs: undefined,
        made: false,
      };
      this.#places.set(topic, place);
    }
    if (place.asking) return Infinity;
    const due = wanted
      ? place.notBeforeMs
      : Math.max(place.notBeforeMs, place.askedAtMs + this.#options.maxAgeMs);
    if (Date.now() < due) return due;
    if (this.#options.circuit.passes === 0) return Infinity;
    void this.#ask(topic, place);
    return Infinity;
  }

  async #ask(topic: string, place: Place): Promise<void> {
    place.asking = true;
    let answer: TopicAnswer = { kind: 'retry', why: 'the circuit is open' };
    await this.#options.circuit.attempt(async () => {
      answer = await this.#options.sender.partitionsOf(topic);
      return answer.kind === 'retry';
    });
    place.asking = false;
    place.askedAtMs = Date.now();
    await this.#answered(topic, place, answer);
  }

  async #answered(topic: string, place: Place, answer: TopicAnswer): Promise<void> {
    const { isMade, known, refused, sender } = this.#options;
    switch (answer.kind) {
      case 'partitions':
        place.failures = 0;
        place.notBeforeMs = 0;
        place.missingSinceMs = undefined;
        // Never fewer: one that was made anew with fewer is found out by its batches.
        place.partitions = Math.max(place.partitions ?? 0, answer.count);
        known(topic);
        return;
      case 'unknown-topic':
        place.missingSinceMs ??= Date.now();
        if (isMade(topic) && !place.made) {
          place.made = true;
          await sender.createTopic(topic).catch(() => undefined); // then it is missing, which is said
        } else if (Date.now() - place.missingSinceMs >= MISSING_MS) {
          this.#places.delete(topic);
          refused(topic, 'there is no such topic');
          return;
        }
        break;
      case 'refused':
        this.#places.delete(topic);
        refused(topic, answer.why);
        return;
      case 'retry':
        break;
    }
    place.failures++;
    place.notBeforeMs = Date.now() + backoffMs(place.failures);
    known(topic);
  }
}
