import { randomUUID } from 'node:crypto';
import { BridgeError } from '../../errors.js';
import type { Offsets } from '../../intake/kafka-log.js';
import type { PartitionLog } from '../../intake/record-source.js';
import type { SentRecord } from '../../producer/outgoing.js';
import { LineWindow, NOTHING_DONE, type LinesDone } from './line-window.js';
import { MAY_BE_SENT, type ProduceState, type StateStore } from './state-file.js';

/** How far a run has come, in memory and on the disk. */
export class RunState {
  /** What earlier runs have left. */
  readonly before: LinesDone & { readonly head: number };
  readonly run: string;
  readonly window: LineWindow;
  readonly #file: StateStore | undefined;
  readonly #topic: string;
  readonly #positions: Map<number, bigint>;
  readonly #earlier: { readonly sent: number; readonly skipped: number };
  #sent = 0;
  #found = 0;
  #skipped = 0;
  #bytesRead = 0;
  /** As the last state on the disk has it. */
  #saved: { readonly head: number; readonly bytesRead: number } | undefined;
  #saving: Promise<void> | undefined;
  #changed = false;

  private constructor(
    file: StateStore | undefined,
    topic: string,
    loaded: ProduceState | undefined,
    positions: Map<number, bigint>,
    limits: { readonly lines: number; readonly bytes: number },
  ) {
    this.#file = file;
    this.#topic = topic;
    this.before = loaded ?? { ...NOTHING_DONE, head: 0 };
    this.run = loaded?.run ?? randomUUID();
    this.window = new LineWindow(this.before, limits);
    this.#positions = positions;
    this.#earlier = { sent: loaded?.sent ?? 0, skipped: loaded?.skipped ?? 0 };
  }

  /**
   * Where a run begins: where the file says, or at the first line, and behind what the topic has now.
   * @throws BridgeError `KTB_STATE`
   */
  static async begin(
    file: StateStore | undefined,
    topic: string,
    logs: readonly PartitionLog[],
    limits: { readonly lines: number; readonly bytes: number },
  ): Promise<RunState> {
    const loaded = await file?.load();
    if (loaded && loaded.topic !== topic)
      throw new BridgeError(
        'KTB_STATE',
        `Expected ${file!.path} to be of the topic ${topic}, got one of ${loaded.topic}; --restart begins anew`,
      );
    const positions = loaded
      ? Object.entries(loaded.positions).map(([partition, at]) => [Number(partition), BigInt(at)] as const)
      : logs.map(({ partition, end }) => [partition, end] as const);
    return new RunState(file, topic, loaded, new Map(positions), limits);
  }

  /** By partition: what earlier runs have sent, and did not note, stands there or after it. */
  get positions(): Offsets {
    return this.#positions;
  }

  get counts() {
    return {
      lines: this.window.head,
      sent: this.#sent,
      before: this.#earlier.sent + this.#found,
      found: this.#found,
      skipped: this.#earlier.skipped + this.#skipped,
    };
  }

  read(digest: string, bytes: number): void {
    this.window.enter(digest, bytes);
    this.#bytesRead += bytes;
    this.#changed = true;
  }

  sent(line: number, { partition, offset }: SentRecord): void {
    this.#sent++;
    this.window.done(line);
    // In order by partition: what is not acknowledged yet stands behind it. A repetition has no offset (-1).
    const next = BigInt(offset) + 1n;
    if (next > (this.#positions.get(partition) ?? 0n)) this.#positions.set(partition, next);
    this.#changed = true;
  }

  /** What was looked for up to these offsets, and found. */
  found(lines: Iterable<number>, to: Offsets): void {
    for (const line of lines) {
      this.#found++;
      this.window.done(line);
    }
    for (const [partition, at] of to) this.#positions.set(partition, at);
    this.#changed = true;
  }

  skipped(line: number): void {
    this.#skipped++;
    this.window.done(line);
    this.#changed = true;
  }

  /** @throws BridgeError `KTB_STATE`: what was sent of a later line is not there any more */
  checkEnd(name: string): void {
    const last = Math.max(this.before.lines, ...Object.keys(this.before.ahead).map(Number));
    if (this.window.head >= last) return;
    throw new BridgeError(
      'KTB_STATE',
      `Expected ${name} to have at least ${last} lines, got ${this.window.head}: the state is of another input; --restart begins anew`,
    );
  }

  /** Resolves when a state is on the disk by which the next run would look for this line. @throws BridgeError `KTB_STATE` */
  async mayBeSent(line: number): Promise<void> {
    if (!this.#file) return;
    while (!this.#within(line, 1)) await this.save();
    // Early, so that nobody waits for the disk.
    if (!this.#within(line, 0.5)) this.save().catch(() => undefined);
  }

  async saveIfChanged(): Promise<void> {
    if (this.#changed) await this.save();
  }

  /** One that is being written may be of a moment before. @throws BridgeError `KTB_STATE` */
  async save(): Promise<void> {
    if (!this.#file) return;
    this.#saving ??= this.#save(this.#file, false).finally(() => (this.#saving = undefined));
    return this.#saving;
  }

  /** The last one, with all that is known now. @throws BridgeError `KTB_STATE` */
  async finish(ended: boolean): Promise<void> {
    await this.#saving?.catch(() => undefined);
    if (this.#file) await this.#save(this.#file, ended);
  }

  async #save(file: StateStore, ended: boolean): Promise<void> {
    const saved = { head: this.window.head, bytesRead: this.#bytesRead };
    const { sent } = this.counts;
    await file.write({
      version: 1,
      topic: this.#topic,
      run: this.run,
      ...this.window.state,
      head: saved.head,
      positions: Object.fromEntries([...this.#positions].map(([partition, at]) => [partition, String(at)])),
      sent: this.#earlier.sent + this.#found + this.#sent,
      skipped: this.#earlier.skipped + this.#skipped,
      ended,
    });
    this.#saved = saved;
    this.#changed = this.#bytesRead > saved.bytesRead || this.counts.sent > sent;
  }

  #within(line: number, part: number): boolean {
    if (!this.#saved) return false;
    const { head, bytesRead } = this.#saved;
    return line - head <= MAY_BE_SENT.lines * part && this.#bytesRead - bytesRead <= MAY_BE_SENT.bytes * part;
  }
}
