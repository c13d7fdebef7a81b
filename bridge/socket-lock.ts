import { unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';

const ATTEMPTS = 5;

/**
 * A lock between processes. A socket, since Node has no file locks: it ends with its process, however that ends, and says
 * nothing false of a process that has got a dead one's number (in a container that is always 1).
 *
 * @param address a path in the file system, or on Windows of a named pipe
 * @returns what lets it go; `undefined` where another process has it
 * @throws Error where there can't be a socket
 */
export async function socketLock(address: string): Promise<(() => Promise<void>) | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const server = await listen(address);
    if (server) return () => new Promise((resolve) => server.close(() => resolve()));
    if (await answers(address)) return undefined;
    // Of a process that is dead.
    await unlink(address).catch(() => undefined);
  }
  return undefined;
}

function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(address, () => {
      server.unref();
      resolve(server);
    });
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
