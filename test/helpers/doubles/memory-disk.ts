import type { SpillDisk } from '../../../bridge/producer/spill-disk.js';

/** A disk in memory: it can be full, tear a write, refuse, and be looked at as a crash would leave it. */
export class MemoryDisk implements SpillDisk {
  bytes: Buffer;
  /** What a crash leaves: written and synced. */
  durable: Buffer;
  /** Bytes that still fit; a write over them is done in part. */
  room = Infinity;
  /** Which call fails, counted over writes, syncs and truncates; 0 is none. */
  failAt = 0;
  calls = 0;

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.bytes = bytes;
    this.durable = bytes;
  }

  async size(): Promise<number> {
    return this.bytes.length;
  }

  async read(position: number, length: number): Promise<Buffer> {
    // As a real one it takes its time: what comes meanwhile must not overtake.
    for (let turns = 0; turns < 4; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
    return Buffer.from(this.bytes.subarray(position, position + length));
  }

  async write(position: number, bytes: Buffer): Promise<void> {
    const failing = this.#fails();
    const fitting = Math.max(0, Math.min(bytes.length, this.room - position));
    const written = failing ? Math.floor(bytes.length / 2) : fitting;
    const grown = Buffer.alloc(Math.max(this.bytes.length, position + written));
    this.bytes.copy(grown);
    bytes.copy(grown, position, 0, written);
    this.bytes = grown;
    if (failing) throw new Error('EIO: i/o error, write');
    if (written < bytes.length) throw new Error('ENOSPC: no space left on device, write');
  }

  async sync(): Promise<void> {
    if (this.#fails()) throw new Error('EIO: i/o error, fdatasync');
    this.durable = Buffer.from(this.bytes);
  }

  async truncate(length: number): Promise<void> {
    if (this.#fails()) throw new Error('EIO: i/o error, ftruncate');
    this.bytes = Buffer.from(this.bytes.subarray(0, length));
  }

  async close(): Promise<void> {}

  #fails(): boolean {
    return ++this.calls === this.failAt;
  }
}
