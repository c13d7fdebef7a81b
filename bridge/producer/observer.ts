import type { DropReason } from './send-error.js';

/** What is told of a producer, for metrics. Every call is synchronous and must not throw. */
export interface ProducerObserver {
  /** In the log; `seconds` since it was accepted. */
  sent(topic: string, seconds: number): void;
  dropped(topic: string, reason: DropReason): void;
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
  deadLettered: () => undefined,
  spilled: () => undefined,
  unknown: () => undefined,
  notDelivered: () => undefined,
  retried: () => undefined,
  circuit: () => undefined,
};
