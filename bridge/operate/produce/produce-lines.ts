import { addAbortSignal, type Readable } from 'node:stream';
import { BridgeError, messageOf } from '../../errors.js';
import { IDEMPOTENCY_KEY_HEADER } from '../../intake/idempotency-key.js';
import type { KafkaLog } from '../../intake/kafka-log.js';
import type { Producer } from '../../producer/producer.js';
import { within } from '../../timing.js';
import { keysOf, linesAfter, otherInput, pendingOf } from './earlier-lines.js';
import { linesOf, type InputLine } from './input-lines.js';
import type { LineMessage, LineResult } from './line-record.js';
import { digestOf } from './line-window.js';
import { linesInLog } from './lines-in-log.js';
import { pacedLines } from './pace.js';
import { RunState } from './run-state.js';
import type { StateStore } from './state-file.js';

export interface ProduceTools {
  readonly producer: Pick<Producer, 'start' | 'send' | 'hasRoom' | 'room' | 'flush'>;
  readonly log: Pick<KafkaLog, 'logs' | 'read'>;
  /** Where it is kept how far the run has come. */
  readonly state?: StateStore;
}

export interface ProduceRequest {
  readonly topic: string;
  readonly input: Readable;
  /** Of the input, as it stands in messages. */
  readonly name: string;
  readonly read: (line: Buffer) => LineResult;
}

export interface ProduceOptions {
  /** Bad lines, and records that Kafka refuses, are left out. @default the first one ends it */
  readonly skipBad?: boolean;
  readonly perSecond?: number;
  /** Ends it in order: what is under way is waited for, a little. */
  readonly signal?: AbortSignal;
  readonly onSkipped?: (line: number, why: string) => void;
  /** Partitions whose oldest records are gone: of lines that stood there nobody knows, and they are sent again. */
  readonly onGone?: (partitions: readonly number[]) => void;
  /** Some times a second. */
  readonly onProgress?: (report: ProduceReport) => void;
}

export interface ProduceReport {
  /** Lines that were read, those of earlier runs too. */
  readonly lines: number;
  /** Records that are in the log by this run. */
  readonly sent: number;
  /** Records that were in the log by earlier runs. */
  readonly before: number;
  /** Of these: how many had been acknowledged to nobody, or nobody had noted it, and were found in the topic. */
  readonly found: number;
  /** Lines that were left out. */
  readonly skipped: number;
  /** Whether the input came to its end, and all of it is done with. */
  readonly ended: boolean;
}

/** Behind the first line that is not done with: what is kept in the state, and looked for by the next run. */
const WINDOW = { lines: 10_000, bytes: 32 * 1024 * 1024 };
const SAVE_MS = 250;
/** How long what is under way is waited for, when it is to end. */
const DRAIN_MS = 10_000;
/** What the producer adds to a record, about. */
const OVERHEAD_BYTES = 250;

/**
 * Sends the lines of an input, and tells the state file how far they are in the log. A line is never sent again that was
 * acknowledged: where the state does not know it yet, since the process was killed, it is found in the topic itself.
 *
 * @throws BridgeError `KTB_RECORD`: a bad line; `KTB_STATE`; `KTB_USAGE`; `KTB_KAFKA`
 * @throws SendError what a line ended with
 */
export async function produceLines(
  tools: ProduceTools,
  request: ProduceRequest,
  options: ProduceOptions = {},
): Promise<ProduceReport> {
  const run = new ProduceRun(tools, request, options);
  return run.run();
}

class ProduceRun {
  readonly #tools: ProduceTools;
  readonly #request: ProduceRequest;
  readonly #options: ProduceOptions;
  /** Nothing more is read: it was asked for, or something is wrong. */
  readonly #stop = new AbortController();
  #state!: RunState;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #ended = false;
  #over = false;
  #pace: ReturnType<typeof pacedLines>;

  constructor(tools: ProduceTools, request: ProduceRequest, options: ProduceOptions) {
    this.#tools = tools;
    this.#request = request;
    this.#options = options;
    this.#pace = pacedLines(options.perSecond, this.#stop.signal);
  }

  async run(): Promise<ProduceReport> {
    const { producer, log, state } = this.#tools;
    const { signal } = this.#options;
    const stop = (): void => this.#stop.abort();
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    const { topic } = this.#request;
    this.#state = await RunState.begin(state, topic, await log.logs(topic), WINDOW);
    await producer.start();
    const timer = setInterval(() => this.#tick(), SAVE_MS);
    try {
      await this.#readAll();
      await this.#drain();
    } finally {
      clearInterval(timer);
      this.#over = true;
      signal?.removeEventListener('abort', stop);
    }
    await this.#state.finish(this.#ended && !this.#failure);
    if (this.#failure) throw this.#failure.error;
    return this.#report;
  }

  async #readAll(): Promise<void> {
    const { input, name } = this.#request;
    addAbortSignal(this.#stop.signal, input);
    try {
      const lines = linesOf(input)[Symbol.asyncIterator]();
      const early = await linesAfter(lines, this.#state.before, name);
      const open = await this.#notInTopic(early);
      for (const line of open) await this.#handle(line);
      while (!this.#stop.signal.aborted) {
        const next = await lines.next();
        if (next.done || this.#stop.signal.aborted) break;
        await this.#state.window.room(this.#stop.signal);
        this.#state.read(digestOf(next.value.bytes), next.value.bytes.length);
        await this.#handle(next.value);
      }
      this.#ended = !this.#stop.signal.aborted;
      if (this.#ended) this.#state.checkEnd(name);
    } catch (error) {
      // What ends the input's reading is the signal itself.
      if (!this.#stop.signal.aborted) this.#fail(error);
    }
  }

  /**
   * Reads lines that an earlier run may have sent. Which of them are in the topic is noted for all at once, before anything
   * is sent, and together with how far it was looked for them: a state that is written later tells both, or neither.
   * @returns those that are not there
   */
  async #notInTopic(lines: readonly InputLine[]): Promise<readonly InputLine[]> {
    const { topic, read, name } = this.#request;
    const { signal } = this.#stop;
    const { ahead } = this.#state.before;
    const digests = lines.map(({ bytes }) => digestOf(bytes));
    const changed = lines.find(({ number }, index) => (ahead[number] ?? digests[index]) !== digests[index]);
    if (changed) throw otherInput(name, `line ${changed.number} as it was sent`, 'another one');
    const pending = pendingOf(lines, this.#state, read);
    const found = await linesInLog(this.#tools.log, topic, this.#state.positions, pending, signal);
    if (signal.aborted) return [];
    if (found.gone.length > 0) this.#options.onGone?.(found.gone);
    for (const [index, { number, bytes }] of lines.entries()) {
      this.#state.read(digests[index]!, bytes.length);
      if (ahead[number] !== undefined) this.#state.window.done(number);
    }
    this.#state.found(found.lines, found.to);
    return lines.filter(({ number }) => ahead[number] === undefined && !found.lines.has(number));
  }

  async #handle({ number: line, bytes }: InputLine): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const result = this.#request.read(bytes);
    if (result.kind === 'blank') this.#state.window.done(line);
    else if (result.kind === 'record') await this.#send(line, result.message);
    else this.#leaveOut(line, new BridgeError('KTB_RECORD', this.#named(line, result.why)), result.why);
  }

  async #send(line: number, message: LineMessage): Promise<void> {
    const { producer } = this.#tools;
    const { signal } = this.#stop;
    await this.#pace();
    await this.#state.mayBeSent(line);
    const size = (message.key?.length ?? 0) + (message.value?.length ?? 0) + OVERHEAD_BYTES;
    if (!producer.hasRoom(size)) await producer.room(size, signal);
    if (signal.aborted) return;
    const keys = keysOf(message, this.#state.run, line);
    const headers = { ...message.headers, [IDEMPOTENCY_KEY_HEADER]: keys };
    this.#underWay++;
    producer
      .send({ ...message, topic: this.#request.topic, headers })
      .then(
        (place) => void (this.#over || this.#state.sent(line, place)),
        (error: unknown) => void (this.#over || this.#refused(line, error)),
      )
      .finally(() => {
        if (--this.#underWay === 0) this.#idle?.();
      });
  }

  #refused(line: number, error: unknown): void {
    const why = messageOf(error);
    const code = error instanceof BridgeError ? error.code : undefined;
    const refused = new BridgeError(code ?? 'KTB_KAFKA', this.#named(line, why), { cause: error });
    // Only what is nowhere may be left out: of a fate that is not known the next run has to look for.
    if (code === 'KTB_NOT_DELIVERED') this.#leaveOut(line, refused, why);
    else this.#fail(refused);
  }

  #leaveOut(line: number, error: BridgeError, why: string): void {
    if (!this.#options.skipBad) return this.#fail(error);
    this.#state.skipped(line);
    this.#options.onSkipped?.(line, why);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort();
  }

  async #drain(): Promise<void> {
    if (this.#underWay === 0) return;
    this.#tools.producer.flush().catch(() => undefined);
    const idle = new Promise<void>((resolve) => (this.#idle = resolve));
    const { signal } = this.#stop;
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([idle, stopped]);
    await within<void>(idle, DRAIN_MS, () => undefined);
    if (this.#underWay > 0) this.#ended = false;
  }

  #tick(): void {
    this.#state.saveIfChanged().catch((error: unknown) => this.#fail(error));
    this.#options.onProgress?.(this.#report);
  }

  #named(line: number, why: string): string {
    return `${this.#request.name}, line ${line}: ${why}`;
  }

  get #report(): ProduceReport {
    return { ...this.#state.counts, ended: this.#ended && this.#failure === undefined };
  }
}
