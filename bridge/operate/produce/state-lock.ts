import { createHash } from 'node:crypto';
import { realpath, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BridgeError } from '../../errors.js';

/**
 * One process for a state file: two would send the same lines. A socket, as for the spill file: it ends with its process,
 * however that ends.
 * @throws BridgeError `KTB_STATE`: another one has it
 */
export async function lockState(path: string): Promise<() => Promise<void>> {
  const address = addressOf(join(await realpath(dirname(path)), basename(path)));
  for (let attempt = 0; attempt < 5; attempt++) {
    const server = await listen(address);
    if (server) return () => new Promise((resolve) => server.close(() => resolve()));
    if (await answers(address)) break;
    // Of a process that is dead.
    await unlink(address).catch(() => undefined);
  }
  throw new BridgeError(
    'KTB_STATE',
    `Expected ${path} to be used by nobody else, but another ktb produce is`,
  );
}

function addressOf(path: string): string {
  const name = `ktb-produce-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
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
