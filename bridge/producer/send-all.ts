import { Writable } from 'node:stream';
import type { BridgeError } from '../errors.js';
import type { Ending } from './outgoing.js';
import type { ProducerMessage } from './producer-options.js';

/** What is asked of a producer here. */
export interface MessageSink {
  /** @throws BridgeError `KTB_USAGE`: then its ending is not called */
  send(message: ProducerMessage, ending: Ending): void;
  hasRoom(bytes: number): boolean;
  room(bytes: number, signal: AbortSignal): Promise<void>;
}

export interface SendAllOptions {
  /** Stops reading. What was accepted goes on being sent. */
  readonly signal?: AbortSignal;
  /** Each send that failed; reading goes on. @default the first one ends it, and is thrown */
  readonly onError?: (error: unknown, message: ProducerMessage) => void;
}

export interface SendAllReport {
  readonly sent: number;
  readonly failed: number;
}

const NEVER = new AbortController().signal;
/** Headers that are added, and the record's own lengths. */
const OVERHEAD_BYTES = 250;

export async function sendAll(
  sink: MessageSink,
  messages: Iterable<ProducerMessage> | AsyncIterable<ProducerMessage>,
  { signal = NEVER, onError }: SendAllOptions,
): Promise<SendAllReport> {
  signal.throwIfAborted();
  const tally = new Tally(sink, onError);
  const iterator =
    Symbol.asyncIterator in messages ? messages[Symbol.asyncIterator]() : messages[Symbol.iterator]();
  const aborted = new Promise<'aborted'>((resolve) =>
    signal.addEventListener('abort', () => resolve('aborted'), { once: true }),
  );
  try {
    while (!tally.over) {
      const given = iterator.next();
      const next = given instanceof Promise ? await Promise.race([given, aborted]) : given;
      if (next === 'aborted' || signal.aborted || next.done) break;
      const bytes = sizeOf(next.value);
      if (!sink.hasRoom(bytes)) await sink.room(bytes, signal);
      if (!signal.aborted) tally.send(next.value);
    }
  } finally {
    // Not waited for: an iterable that hangs in `next` hangs here too.
    if (signal.aborted || tally.over) void iterator.return?.();
  }
  signal.throwIfAborted();
  return tally.finish();
}

/** Counts what became of many sends. */
class Tally {
  readonly #sink: MessageSink;
  readonly #onError: SendAllOptions['onError'];
  #sent = 0;
  #failed = 0;
  #pending = 0;
  #first: { readonly error: unknown } | undefined;
  #settled: (() => void) | undefined;
  /** One for all of them. */
  readonly #ending: Ending = {
    delivered: () => {
      this.#sent++;
      this.#settle();
    },
    failed: (error) => {
      this.#failed++;
      this.#first ??= { error };
      this.#settle();
    },
  };

  constructor(sink: MessageSink, onError: SendAllOptions['onError']) {
    this.#sink = sink;
    this.#onError = onError;
  }

  /** One has failed, and nobody wants to hear of each. */
  get over(): boolean {
    return this.#first !== undefined;
  }

  get error(): unknown {
    return this.#first?.error;
  }

  send(message: ProducerMessage): void {
    this.#pending++;
    const ending = this.#onError ? this.#endingOf(message, this.#onError) : this.#ending;
    try {
      this.#sink.send(message, ending);
    } catch (error) {
      ending.failed(error as BridgeError);
    }
  }

  async finish(): Promise<SendAllReport> {
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#settled = resolve));
    if (this.#first) throw this.#first.error;
    return { sent: this.#sent, failed: this.#failed };
  }

  #endingOf(message: ProducerMessage, onError: NonNullable<SendAllOptions['onError']>): Ending {
    const { delivered } = this.#ending;
    const failed = (error: unknown): void => {
      this.#failed++;
      // Not in the middle of the producer's work: it may throw.
      queueMicrotask(() => onError(error, message));
      this.#settle();
    };
    return { delivered, failed };
  }

  #settle(): void {
    if (--this.#pending === 0) this.#settled?.();
  }
}

/**
 * A Node stream to write messages to: `write` returns `false` while the buffer is full, `finish` comes when all are in
 * the log, and the first send that fails destroys it.
 */
export function writableOf(sink: MessageSink, start: () => Promise<void>): Writable {
  const abort = new AbortController();
  const tally = new Tally(sink, undefined);
  const write = async (message: ProducerMessage): Promise<void> => {
    await start();
    const bytes = sizeOf(message);
    if (!sink.hasRoom(bytes)) await sink.room(bytes, abort.signal);
    if (tally.over) throw tally.error;
    if (!abort.signal.aborted) tally.send(message);
  };
  return new Writable({
    objectMode: true,
    write: (message: ProducerMessage, _encoding, done) => void settle(write(message), done),
    final: (done) => void settle(tally.finish(), done),
    destroy: (error, done) => {
      abort.abort();
      done(error);
    },
  });
}

/** A promise for a callback of Node's. */
async function settle(work: Promise<unknown>, done: (error?: Error | null) => void): Promise<void> {
  let failure: Error | null = null;
  try {
    await work;
  } catch (error) {
    failure = error as Error;
  }
  done(failure);
}

function sizeOf({ key, value }: ProducerMessage): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + OVERHEAD_BYTES;
}
