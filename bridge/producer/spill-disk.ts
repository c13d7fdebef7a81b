import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../sync-folder.js';

/** The file under the spill file. Every call may fail: a disk is full, a volume is gone. */
export interface SpillDisk {
  size(): Promise<number>;
  /** As many bytes as there are, at most `length`. */
  read(position: number, length: number): Promise<Buffer>;
  write(position: number, bytes: Buffer): Promise<void>;
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

const NAME = 'records.spill';

/** Opens the file in a folder, which is made where it is missing; what is there stays. */
export async function openSpillDisk(dir: string): Promise<SpillDisk> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, NAME);
  const file = await open(path, 'r+').catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    const made = await open(path, 'wx+');
    await syncFolder(dir);
    return made;
  });
  return {
    size: async () => (await file.stat()).size,
    read: async (position, length) => {
      const bytes = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
    write: async (position, bytes) => {
      for (let written = 0; written < bytes.length;) {
        const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
        written += bytesWritten;
      }
    },
    sync: () => file.datasync(),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  };
}
