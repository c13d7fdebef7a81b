import type { BridgeError } from '../errors.js';
import type { Priority } from '../config/types.js';
import type { BatchRecord } from './record-batch.js';

/** Where a record stands in the log. */
export interface SentRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** Epoch milliseconds: the record's, or the broker's where the topic has `LogAppendTime`. */
  readonly timestamp: number;
}

/** How a send ends: in exactly one way, once. */
export interface Ending {
  readonly delivered: (record: SentRecord) => void;
  readonly failed: (error: BridgeError) => void;
}

/** A record that was accepted and is not yet done. */
export interface Outgoing extends BatchRecord {
  /** Of acceptance, over all topics; it goes on where the spill file's last one stood. */
  readonly order: number;
  readonly topic: string;
  /** `undefined` until the topic's partitions are known; then never another. */
  partition: number | undefined;
  readonly priority: Priority;
  /** What it weighs in the buffer. */
  readonly bytes: number;
  readonly acceptedAtMs: number;
  /** Epoch milliseconds. `Infinity`: from the spill file, tried for as long as it takes. */
  readonly deadlineMs: number;
  /** Taken away when the caller was answered: its fate is unknown, and it goes on being tried. */
  ending: Ending | undefined;
  /** Whether it waits for room in the buffer: then it keeps its place, and does not leave. */
  waits: boolean;
  /** Where in the spill file it stands: the place that is to be crossed out when it is done. */
  spilledAs: string | undefined;
  /** Whether it is in the log, or nowhere: nothing more is to be done with it. */
  finished: boolean;
  /** Of a dead letter: why the record itself could not be sent. */
  readonly deadLetterOf: string | undefined;
}
