import { createHash } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BridgeError, messageOf } from '../errors.js';
import { socketLock } from '../socket-lock.js';

/** What a path of a socket may have on every system. */
const MAX_SOCKET_PATH = 100;

/**
 * One process, one producer for a folder.
 * @throws BridgeError `KTB_SPILL`: somebody else has it
 */
export async function lockSpill(dir: string): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true });
  const path = socketPath(await realpath(dir));
  const unlock = await socketLock(path).catch((error: unknown) => {
    throw new BridgeError('KTB_SPILL', `Can't lock the spill file by ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  });
  if (unlock) return unlock;
  throw new BridgeError(
    'KTB_SPILL',
    `Expected \`producer.spill.dir\` to be a folder of this producer alone, got ${dir}, which another one uses`,
  );
}

function socketPath(dir: string): string {
  const hash = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\ktb-spill-${hash}`;
  const inside = join(dir, 'lock');
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH ? inside : join(tmpdir(), `ktb-spill-${hash}`);
}
