import { createHash } from 'node:crypto';
import { mkdir, realpath, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';

/** What a path of a socket may have on every system. */
const MAX_SOCKET_PATH = 100;

/**
 * One process, one producer for a folder. A socket, since Node has no file locks: it ends with its process, however
 * that ends, and says nothing false of a process that has got a dead one's number (in a container that is always 1).
 * @throws BridgeError `KTB_SPILL`: somebody else has it
 */
export async function lockSpill(dir: string): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true });
  const path = socketPath(await realpath(dir));
  for (let attempt = 0; attempt < 5; attempt++) {
    const server = await listen(path);
    if (server) return () => new Promise((resolve) => server.close(() => resolve()));
    if (await answers(path)) {
      throw new BridgeError(
        'KTB_SPILL',
        `Expected \`producer.spill.dir\` to be a folder of this producer alone, got ${dir}, which another one uses`,
      );
    }
    // Of a process that is dead.
    await unlink(path).catch(() => undefined);
  }
  throw new BridgeError('KTB_SPILL', `Can't lock ${dir}: others try it at the same time`);
}

function socketPath(dir: string): string {
  const hash = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\ktb-spill-${hash}`;
  const inside = join(dir, 'lock');
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : join(tmpdir(), `ktb-spill-${hash}`);
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else
        reject(
          new BridgeError('KTB_SPILL', `Can't lock the spill file by ${path}: ${error.message}`, {
            cause: error,
          }),
        );
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
