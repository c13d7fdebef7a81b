import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import { cacheDir, lock } from './cache.js';

/**
 * Below every platform's ephemeral range (Linux 32768, macOS and Windows 49152). A port out of that range could be
 * taken, while its server is down, by any outgoing connection: even by a client's own attempt to reconnect to it
 * (TCP's simultaneous open lets a socket on loopback connect to itself), and the server could not come back.
 */
const FIRST = 15_000;
const LAST = 31_999;

/** Handed out in this process and perhaps not bound yet; never handed out twice. */
const handedOut = new Set<number>();

/** Whether a server could listen on this port of 127.0.0.1 now. */
async function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A free TCP port of 127.0.0.1 that this process has not handed out before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isPortFree(port)) return port;
    handedOut.delete(port);
  }
  throw new BridgeError('KTB_LOCAL_STACK', `Expected a free port in ${FIRST}-${LAST}, got none`);
}

/** The wanted port when it is free and no other process of ours has it, else another one. */
export async function portOr(wanted: number): Promise<number> {
  if (!handedOut.has(wanted)) {
    handedOut.add(wanted);
    const release = await reserve(wanted);
    if (release !== undefined && (await isPortFree(wanted))) {
      reserved.set(wanted, release);
      return wanted;
    }
    await release?.();
    handedOut.delete(wanted);
  }
  return freePort();
}

/** Locks between processes on the usual ports; those out of the range are told apart by chance. */
const reserved = new Map<number, () => Promise<void>>();

/**
 * Two stacks that start at the same moment both find 9092 free, seconds before one of them binds it; and a Temporal
 * that can't bind its port would take the other's, which answers there, for itself.
 * @returns gives it back; undefined where another process, which is alive, has it
 */
async function reserve(port: number): Promise<(() => Promise<void>) | undefined> {
  const folder = join(cacheDir(), 'ports');
  try {
    await mkdir(folder, { recursive: true });
    // Long enough to take over the lock of a process that has ended.
    return await lock(join(folder, String(port)), { timeoutMs: 500 });
  } catch (error) {
    if (error instanceof BridgeError) return undefined;
    return async () => {}; // a cache folder that can't be written is no reason to take no port at all
  }
}

/** Gives ports back once their server has ended. */
export async function releasePorts(ports: Iterable<number>): Promise<void> {
  for (const port of ports) {
    handedOut.delete(port);
    const release = reserved.get(port);
    reserved.delete(port);
    await release?.();
  }
}

/** One port for each name: the ones that this file holds from a former run, where they are free. */
export async function rememberedPorts<N extends string>(
  file: string,
  names: readonly N[],
): Promise<Record<N, number>> {
  const former = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as Partial<Record<N, number>>,
    () => ({}) as Partial<Record<N, number>>,
  );
  const ports: [N, number][] = [];
  for (const name of names) {
    const port = former[name];
    // Even one handed out already: to a server on the same data that has died.
    const again = port !== undefined && (await isPortFree(port));
    if (again) handedOut.add(port);
    ports.push([name, again ? port : await freePort()]);
  }
  const chosen = Object.fromEntries(ports) as Record<N, number>;
  await writeFile(file, JSON.stringify(chosen));
  return chosen;
}
