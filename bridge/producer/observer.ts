import type { DropReason } from './send-error.js';

/** What is told of a producer, for metrics. Every call is synchronous and must not throw. */
export interface ProducerObserver {
  /** In the log; `seconds` since it was accepted. */
  sent(topic: string, seconds: number): void;
  dropped(topic: string, reason: DropReason): void;
  /** Refused at the door, since Kafka is away and there is no spill file. */
  refused(topic: string): void;
  /** A record stands in its topic's dead letter topic. */
  deadLettered(topic: string): void;
  spilled(topic: string): void;
  /** The time ran out for a record that may be in the log. */
  unknown(topic: string): void;
  /** The time ran out for a record that is nowhere, or nothing can take it. */
  notDelivered(topic: string): void;
  /** A batch is to be sent again. */
  retried(topic: string): void;
  circuit(state: 'closed' | 'half-open' | 'open'): void;
}

export const NO_OBSERVER: ProducerObserver = {
  sent: () => undefined,
  dropped: () => undefined,
  refused: () => undefined,
  deadLettered: () => undefined,
  spilled: () => undefined,
  unknown: () => undefined,
  notDelivered: () => undefined,
  retried: () => undefined,
  circuit: () => undefined,
};

/** All of them are told. */
export function observersOf(observers: readonly ProducerObserver[]): ProducerObserver {
  const [first = NO_OBSERVER, ...others] = observers;
  if (others.length === 0) return first;
  return {
    sent: (...told) => observers.forEach((one) => one.sent(...told)),
    dropped: (...told) => observers.forEach((one) => one.dropped(...told)),
    refused: (...told) => observers.forEach((one) => one.refused(...told)),
    deadLettered: (...told) => observers.forEach((one) => one.deadLettered(...told)),
    spilled: (...told) => observers.forEach((one) => one.spilled(...told)),
    unknown: (...told) => observers.forEach((one) => one.unknown(...told)),
    notDelivered: (...told) => observers.forEach((one) => one.notDelivered(...told)),
    retried: (...told) => observers.forEach((one) => one.retried(...told)),
    circuit: (...told) => observers.forEach((one) => one.circuit(...told)),
  };
}
