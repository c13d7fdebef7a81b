import type { SpillOptions } from '../config/producer-types.js';
import { BridgeError, messageOf } from '../errors.js';
import type { Logger } from '../observe/logger.js';
import { openSpillDisk, type SpillDisk } from './spill-disk.js';
import {
  DONE_BYTES,
  doneFrame,
  frameAt,
  MAGIC,
  recordFrame,
  type Frame,
  type SpilledRecord,
} from './spill-frames.js';
import { SpillIndex, spillKey } from './spill-index.js';
import { lockSpill } from './spill-lock.js';

const CHUNK_BYTES = 1024 * 1024;

interface Append {
  readonly records: readonly SpilledRecord[];
  readonly resolve: () => void;
  readonly reject: (error: BridgeError) => void;
}

/** What is asked of a spill file; all of it but `append` and `load` from memory. */
export interface Spill {
  /** The order of the last record that was ever in it. */
  readonly lastOrder: number;
  readonly records: number;
  readonly bytes: number;
  keys(): Iterable<string>;
  first(key: string): number;
  /** Resolves when they are on the disk, all of them; else none of them is. @throws BridgeError `KTB_SPILL` */
  append(records: readonly SpilledRecord[]): Promise<void>;
  /** The first records of a key that are not done. @throws BridgeError `KTB_SPILL` */
  load(key: string, count: number): Promise<readonly SpilledRecord[]>;
  done(key: string, order: number): void;
  close(): Promise<void>;
}

/**
 * Records that wait on the disk for Kafka. Append-only: records, and crossings-out of those that were sent; when all
 * are crossed out it is cut to nothing. What one turn brings is one write and one fsync.
 */
export class SpillFile implements Spill {
  readonly #disk: SpillDisk;
  readonly #maxBytes: number;
  readonly #logger: Logger;
  readonly #unlock: () => Promise<void>;
  readonly #index = new SpillIndex();
  #appends: Append[] = [];
  #crossedOut: number[] = [];
  #working: Promise<void> | undefined;
  #end = MAGIC.length;
  /** Behind `#end` stand the remains of a write that failed: they must be gone before the next one. */
  #dirty = false;
  #lastOrder = 0;

  /** For tests of its own; else {@link openSpillFile}. */
  constructor(disk: SpillDisk, maxBytes: number, logger: Logger, unlock: () => Promise<void>) {
    this.#disk = disk;
    this.#maxBytes = maxBytes;
    this.#logger = logger;
    this.#unlock = unlock;
  }

  get lastOrder(): number {
    return this.#lastOrder;
  }

  get records(): number {
    return this.#index.size;
  }

  get bytes(): number {
    return this.#end;
  }

  keys(): Iterable<string> {
    return this.#index.keys();
  }

  first(key: string): number {
    return this.#index.first(key);
  }

  /** Reads what an earlier process left. A torn end is cut off, and said. */
  async recover(): Promise<void> {
    const size = await this.#disk.size();
    const magic = await this.#disk.read(0, MAGIC.length);
    if (!magic.equals(MAGIC)) {
      if (!MAGIC.subarray(0, magic.length).equals(magic))
        throw new BridgeError('KTB_SPILL', 'Expected a spill file of this version, got another file');
      await this.#disk.write(0, MAGIC);
      await this.#disk.sync();
    }
    const records = new Map<number, { readonly key: string; readonly position: number }>();
    for await (const { frame, position } of this.#frames(size)) {
      if (frame.kind === 'done') records.delete(frame.order);
      else {
        const { order, topic, partition } = frame.record;
        records.set(order, { key: spillKey(topic, partition), position });
        this.#lastOrder = Math.max(this.#lastOrder, order);
      }
    }
    for (const [order, { key, position }] of records) this.#index.add(key, order, position);
    if (size > this.#end) {
      this.#logger.warn(
        { bytes: size - this.#end, records: records.size },
        'the spill file ends in a record that was never finished; it is cut off',
      );
      await this.#disk.truncate(this.#end);
      await this.#disk.sync();
    }
    if (records.size > 0)
      this.#logger.info({ records: records.size }, 'records of an earlier time stand in the spill file');
  }

  append(records: readonly SpilledRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#appends.push({ records, resolve, reject });
      this.#work();
    });
  }

  done(key: string, order: number): void {
    if (!this.#index.done(key, order)) return;
    this.#crossedOut.push(order);
    this.#work();
  }

  async load(key: string, count: number): Promise<readonly SpilledRecord[]> {
    const found: SpilledRecord[] = [];
    try {
      for (const position of this.#index.positions(key, count)) {
        const { record } = (await this.#frameAt(position)) as Extract<Frame, { readonly kind: 'record' }>;
        // A copy: a slice would keep the whole chunk.
        found.push({ ...record, body: Buffer.from(record.body) });
      }
    } catch (error) {
      throw failure('read', error);
    }
    return found;
  }

  async close(): Promise<void> {
    while (this.#working) await this.#working;
    await this.#disk.close();
    await this.#unlock();
  }

  #work(): void {
    this.#working ??= this.#loop();
  }

  async #loop(): Promise<void> {
    await Promise.resolve(); // what comes in this turn goes into one write
    while (this.#appends.length > 0 || this.#crossedOut.length > 0) {
      const appends = this.#appends;
      const crossedOut = this.#crossedOut;
      this.#appends = [];
      this.#crossedOut = [];
      await this.#crossOut(crossedOut, appends.length > 0);
      if (appends.length > 0) await this.#write(appends);
    }
    // In the same turn as the last look: what comes after it begins anew.
    this.#working = undefined;
  }

  async #write(appends: readonly Append[]): Promise<void> {
    const taken: { readonly append: Append; readonly positions: number[] }[] = [];
    const frames: Buffer[] = [];
    let end = this.#end;
    let live = this.#index.size;
    for (const append of appends) {
      const own = append.records.map(recordFrame);
      const bytes = own.reduce((sum, { length }) => sum + length, 0);
      // Each record's crossing-out needs its room too.
      if (end + bytes + (live + own.length) * DONE_BYTES > this.#maxBytes) {
        append.reject(
          new BridgeError('KTB_SPILL', `The spill file is full: ${end} of ${this.#maxBytes} bytes`),
        );
        continue;
      }
      const positions = own.map((frame) => (end += frame.length) - frame.length);
      live += own.length;
      frames.push(...own);
      taken.push({ append, positions });
    }
    if (taken.length === 0) return;
    try {
      await this.#put(Buffer.concat(frames), true);
    } catch (error) {
      for (const { append } of taken) append.reject(failure('write', error));
      return;
    }
    for (const { append, positions } of taken) {
      for (const [index, { order, topic, partition }] of append.records.entries()) {
        this.#index.add(spillKey(topic, partition), order, positions[index]!);
        this.#lastOrder = Math.max(this.#lastOrder, order);
      }
      append.resolve();
    }
  }

  /** Without fsync: a crossing-out that a crash takes back means that a record is sent again, with the same key. */
  async #crossOut(orders: readonly number[], more: boolean): Promise<void> {
    if (orders.length === 0) return;
    try {
      if (this.#index.size === 0 && !more) {
        this.#dirty = true;
        this.#end = MAGIC.length;
        await this.#clean();
      } else await this.#put(Buffer.concat(orders.map(doneFrame)), false);
    } catch (error) {
      this.#logger.warn({ err: error }, 'sent records could not be crossed out of the spill file');
    }
  }

  async #put(bytes: Buffer, durable: boolean): Promise<void> {
    if (this.#dirty) await this.#clean();
    this.#dirty = true;
    try {
      await this.#disk.write(this.#end, bytes);
      if (durable) await this.#disk.sync();
    } catch (error) {
      await this.#clean().catch(() => undefined);
      throw error;
    }
    this.#dirty = false;
    this.#end += bytes.length;
  }

  async #clean(): Promise<void> {
    await this.#disk.truncate(this.#end);
    this.#dirty = false;
  }

  async *#frames(size: number): AsyncGenerator<{ readonly frame: Frame; readonly position: number }> {
    let chunk: Buffer = Buffer.alloc(0);
    let start = this.#end;
    let at = 0;
    for (;;) {
      const found = frameAt(chunk, at);
      if (found && 'frame' in found) {
        yield { frame: found.frame, position: start + at };
        at = found.end;
        this.#end = start + at;
        continue;
      }
      if (!found || start + chunk.length >= size) return;
      start += at;
      at = 0;
      chunk = await this.#disk.read(start, Math.max(CHUNK_BYTES, found.more));
    }
  }

  async #frameAt(position: number): Promise<Frame> {
    let bytes = await this.#disk.read(position, 4096);
    let found = frameAt(bytes, 0);
    if (found && 'more' in found) {
      bytes = await this.#disk.read(position, found.more);
      found = frameAt(bytes, 0);
    }
    if (found && 'frame' in found) return found.frame;
    throw new Error(`expected a record at byte ${position}, got other bytes`);
  }
}

function failure(what: 'read' | 'write', error: unknown): BridgeError {
  return new BridgeError('KTB_SPILL', `Can't ${what} the spill file: ${messageOf(error)}`, {
    cause: error,
  });
}

/** Locks a folder and reads what stands in it. @throws BridgeError `KTB_SPILL` */
export async function openSpillFile(options: Required<SpillOptions>, logger: Logger): Promise<SpillFile> {
  const unlock = await lockSpill(options.dir);
  let disk: SpillDisk | undefined;
  try {
    disk = await openSpillDisk(options.dir);
    const file = new SpillFile(disk, options.maxBytes, logger, unlock);
    await file.recover();
    return file;
  } catch (error) {
    await disk?.close().catch(() => undefined);
    await unlock();
    throw error instanceof BridgeError ? error : failure('read', error);
  }
}
