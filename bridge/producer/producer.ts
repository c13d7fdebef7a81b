import type { Writable } from 'node:stream';
import { BridgeError } from '../errors.js';
import { thrownText } from '../intake/one-line.js';
import { createLogger, type Logger } from '../observe/logger.js';
import { within } from '../timing.js';
import { Dispatcher } from './dispatcher.js';
import { EncoderPool } from './encoders/index.js';
import type { Encoded } from './encoders/encoder.js';
import { givenHeaders, givesNoneOfOurs, headersOf, type Header, type MessageHeaders } from './headers.js';
import { KafkaCircuit } from './kafka-circuit.js';
import { KafkaSender, type KafkaSenderOptions } from './kafka-sender.js';
import { bytesOf, checkMessage } from './message.js';
import { observersOf, type ProducerObserver } from './observer.js';
import type { Ending, Outgoing, SentRecord } from './outgoing.js';
import { Partitioner } from './partitioner.js';
import { producerMetrics } from './producer-metrics.js';
import type { CreateProducerOptions, ProducerMessage } from './producer-options.js';
import { encodeBody } from './record-body.js';
import type { ResolvedProducerConfig } from './resolve-config.js';
import {
  sendAll,
  writableOf,
  type MessageSink,
  type SendAllOptions,
  type SendAllReport,
} from './send-all.js';
import { SendError } from './send-error.js';
import type { Sender } from './sender.js';
import { openSpillFile, type Spill } from './spill-file.js';
import { loadTracer, Tracer } from './trace.js';
import { Turns } from './turns.js';

/** What a producer is made of; tests give their own. */
export interface ProducerParts {
  readonly sender?: (options: KafkaSenderOptions) => Sender;
  readonly logger?: Logger;
  /** @default 60000 */
  readonly metadataMaxAgeMs?: number;
}

/** How a producer is. */
export interface ProducerStatus {
  /** Records that wait or are under way, and their bytes. */
  readonly records: number;
  readonly bytes: number;
  readonly circuit: 'closed' | 'half-open' | 'open';
  /** Records in the spill file, and its bytes. */
  readonly spilledRecords: number;
  readonly spilledBytes: number;
}

export interface CloseOptions {
  /** How long what was accepted may still be sent. @default 30000 */
  readonly timeoutMs?: number;
}

const METADATA_MAX_AGE_MS = 60_000;
const CLOSE_TIMEOUT_MS = 30_000;
const NO_HEADERS: readonly Header[] = [];

/** Sends records to Kafka: see {@link createProducer}. */
export class Producer implements AsyncDisposable {
  readonly #config: ResolvedProducerConfig;
  readonly #parts: ProducerParts;
  readonly #logger: Logger;
  readonly #observer: ProducerObserver;
  readonly #unwatch: (() => void) | undefined;
  readonly #circuit: KafkaCircuit;
  readonly #encoders: EncoderPool;
  readonly #turns: Turns;
  #sender: Sender | undefined;
  #spill: Spill | undefined;
  #dispatcher: Dispatcher | undefined;
  #tracer = new Tracer(undefined);
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #order = 0;

  /** Not for users: {@link createProducer}. */
  constructor(
    config: ResolvedProducerConfig,
    options: CreateProducerOptions = {},
    parts: ProducerParts = {},
  ) {
    this.#config = config;
    this.#parts = parts;
    this.#logger = parts.logger ?? createLogger({ level: config.logLevel, name: 'producer' });
    const metrics = options.metrics && producerMetrics(options.metrics);
    this.#observer = observersOf([options.observer, metrics?.observer].filter((one) => one !== undefined));
    this.#circuit = new KafkaCircuit(config.producer.circuit);
    this.#turns = new Turns(config.producer.buffer.records);
    this.#encoders = new EncoderPool(options.encoder ?? 'json', options.encoders ?? {});
    this.#unwatch = metrics?.watch(() => this.status);
  }

  /**
   * Opens the spill file and begins to send what stands in it. The first send does it too; Kafka is not waited for.
   *
   * @throws BridgeError `KTB_SPILL`, `KTB_CONFIG`
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Where there is a spill file, an earlier process may have left something in it. */
  startIfSpilled(): void {
    if (!this.#config.producer.spill) return;
    this.start().catch((error: unknown) =>
      this.#logger.error({ err: error }, 'the producer can not start; each send says so'),
    );
  }

  /**
   * Resolves when the record is in the log, acknowledged by all replicas. The promise ends in exactly one way.
   *
   * @throws SendError what became of it otherwise; its `retryable` says whether it may be sent again
   * @throws BridgeError `KTB_USAGE`
   */
  send(message: ProducerMessage): Promise<SentRecord> {
    return new Promise((delivered, failed) => this.#send(message, { delivered, failed }));
  }

  /**
   * Encodes an event and sends it. One that can't be encoded becomes a dead letter, as JSON or text.
   *
   * @throws SendError as `send`
   * @throws BridgeError `KTB_RECORD` with `retryable`: the schema registry is away
   */
  sendEvent(
    topic: string,
    key: ProducerMessage['key'],
    event: unknown,
    headers: MessageHeaders = {},
  ): Promise<SentRecord> {
    return new Promise((delivered, failed) => {
      const message = { topic, key, value: null, headers };
      checkMessage(message);
      const ending = { delivered, failed };
      this.#inTurn(topic, 'medium', ending, () => this.#sendEvent(message, event, ending));
    });
  }

  /**
   * Sends what an iterable gives, and takes no more of it than there is room for. Ends when all are answered for.
   *
   * @throws what the first send that failed was rejected with, unless there is `onError`; the signal's reason
   */
  async sendAll(
    messages: Iterable<ProducerMessage> | AsyncIterable<ProducerMessage>,
    options: SendAllOptions = {},
  ): Promise<SendAllReport> {
    await this.start();
    return sendAll(this.#sink, messages, options);
  }

  /**
   * A Node stream of messages, for `pipeline`: its back-pressure is the buffer's. The first send that fails destroys
   * it; `destroy` stops reading, and what was accepted goes on being sent.
   */
  writable(): Writable {
    return writableOf(this.#sink, () => this.start());
  }

  /** Resolves when there is room for a record of so many bytes; early where the signal fires or the producer closes. */
  async room(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#dispatcher?.room(bytes, signal);
  }

  /** Whether a record of so many bytes would be taken at once. */
  hasRoom(bytes: number): boolean {
    return this.#dispatcher?.buffer.hasRoom(bytes) ?? true;
  }

  /** Resolves when all that was sent before is answered for. What stands in the spill file is not waited for. */
  async flush(): Promise<void> {
    await this.#turns.done();
    await this.#dispatcher?.flush();
  }

  /**
   * Sends what was accepted, for so long; the rest goes to the spill file, or its promises are rejected. Nothing new is
   * taken. Again, it is the same.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get status(): ProducerStatus {
    return {
      records: this.#dispatcher?.buffer.records ?? 0,
      bytes: this.#dispatcher?.buffer.bytes ?? 0,
      circuit: this.#circuit.state,
      spilledRecords: this.#spill?.records ?? 0,
      spilledBytes: this.#spill?.bytes ?? 0,
    };
  }

  async #start(): Promise<void> {
    const { kafka, producer } = this.#config;
    const metadataMaxAgeMs = this.#parts.metadataMaxAgeMs ?? METADATA_MAX_AGE_MS;
    const options = { kafka, producer, logger: this.#logger, metadataMaxAgeMs };
    this.#sender = this.#parts.sender?.(options) ?? new KafkaSender(options);
    this.#tracer = await loadTracer();
    this.#spill = producer.spill && (await openSpillFile(producer.spill, this.#logger));
    this.#order = this.#spill?.lastOrder ?? 0;
    this.#dispatcher = new Dispatcher({
      sender: this.#sender,
      spill: this.#spill,
      circuit: this.#circuit,
      partitioner: new Partitioner(),
      producer,
      observer: this.#observer,
      logger: this.#logger,
      metadataMaxAgeMs,
    });
  }

  /** What is sent by the thousands is answered for without a promise each. */
  readonly #sink: MessageSink = {
    send: (message, ending) => this.#send(message, ending),
    hasRoom: (bytes) => this.hasRoom(bytes),
    room: (bytes, signal) => this.room(bytes, signal),
  };

  /** @throws BridgeError `KTB_USAGE`: then its ending is not called */
  #send(message: ProducerMessage, ending: Ending): void {
    checkMessage(message);
    const { topic, priority = 'medium' } = message;
    if (this.#mayGo(topic)) this.#accept(message, NO_HEADERS, undefined, ending);
    else this.#inTurn(topic, priority, ending, () => this.#accept(message, NO_HEADERS, undefined, ending));
  }

  #sendEvent(message: ProducerMessage, event: unknown, ending: Ending): void | Promise<void> {
    const { topic, key, headers = {} } = message;
    if (event === null) return this.#accept(message, NO_HEADERS, undefined, ending);
    const take = ({ value, headers: added = NO_HEADERS, eventType }: Encoded): void =>
      this.#accept({ ...message, value }, added, eventType, ending);
    const refuse = (error: unknown): void => this.#unencodable(message, event, error, ending);
    try {
      const encoded = this.#encoders.encoderOf(topic)(event, { topic, key: bytesOf(key), headers });
      return encoded instanceof Promise ? encoded.then(take).catch(refuse) : take(encoded);
    } catch (error) {
      refuse(error);
    }
  }

  /** Whether a record of a topic is to wait for nothing. */
  #mayGo(topic: string): boolean {
    return this.#dispatcher !== undefined && this.#closing === undefined && this.#turns.free(topic);
  }

  /** In the order of the calls: an encoder that takes its time does not let later records of its topic overtake. */
  #inTurn(
    topic: string,
    priority: Outgoing['priority'],
    { failed }: Ending,
    turn: () => void | Promise<void>,
  ): void {
    if (this.#closing) {
      failed(new SendError('KTB_CLOSED', 'The record was not sent: the producer is closed', { topic }));
      return;
    }
    if (this.#mayGo(topic)) {
      const going = turn();
      if (going) this.#turns.take(topic, () => going.catch(failed));
      return;
    }
    if (this.#turns.full && priority !== 'high') {
      const reason = priority === 'low' ? 'low_priority_drop' : 'timeout_drop';
      this.#observer.dropped(topic, reason);
      const message = 'The record was not sent: too many wait to be encoded';
      failed(new SendError('KTB_BACK_PRESSURE', message, { topic, reason }));
      return;
    }
    // In this turn: a close that comes next must see that there is something to close.
    this.start().catch(() => undefined);
    this.#turns.take(topic, async () => {
      try {
        await this.start();
        await turn();
      } catch (error) {
        failed(error as SendError);
      }
    });
  }

  #accept(
    message: ProducerMessage,
    added: readonly Header[],
    eventType: string | undefined,
    ending: Ending,
    deadLetterWhy?: string,
  ): void {
    const now = Date.now();
    const {
      topic,
      key,
      value,
      headers,
      priority = 'medium',
      partition,
      timestamp: timestampMs = now,
    } = message;
    const trace = this.#tracer.active();
    const fresh = trace === undefined && givesNoneOfOurs(headers);
    const own = fresh
      ? givenHeaders(headers, eventType)
      : headersOf(headers, { timestampMs, eventType }, trace);
    const body = encodeBody({
      key: key ?? null,
      value,
      headers: added.length === 0 ? own : [...own, ...added],
      freshAtMs: fresh ? timestampMs : undefined,
    });
    const record: Outgoing = {
      order: ++this.#order,
      topic,
      partition,
      body,
      bytes: body.length,
      timestampMs,
      priority,
      acceptedAtMs: now,
      deadlineMs: now + this.#config.producer.deliveryTimeoutMs,
      ending,
      waits: false,
      spilledAs: undefined,
      finished: false,
      deadLetterOf: undefined,
    };
    if (deadLetterWhy === undefined) this.#dispatcher!.accept(record);
    else this.#dispatcher!.acceptAsDeadLetter(record, deadLetterWhy);
  }

  /** The event's own fault is a dead letter of what can be shown of it; a registry that is away is the caller's to wait for. */
  #unencodable(message: ProducerMessage, event: unknown, error: unknown, ending: Ending): void {
    if (error instanceof BridgeError && error.retryable) {
      ending.failed(error);
      return;
    }
    this.#accept({ ...message, value: shownOf(event) }, [], undefined, ending, thrownText(error));
  }

  async #close(timeoutMs: number): Promise<void> {
    try {
      await this.#end(timeoutMs);
    } finally {
      this.#unwatch?.();
    }
  }

  async #end(timeoutMs: number): Promise<void> {
    if (!this.#starting) return;
    await this.#starting.catch(() => undefined);
    await within<void>(this.flush(), timeoutMs, () => undefined);
    this.#dispatcher?.end('the producer was closed before it could be');
    this.#circuit.close();
    await this.#spill?.close();
    await this.#sender?.close();
  }
}

function shownOf(event: unknown): string | Uint8Array {
  if (event instanceof Uint8Array || typeof event === 'string') return event;
  try {
    return JSON.stringify(event) ?? String(event);
  } catch {
    return Object.prototype.toString.call(event);
  }
}
