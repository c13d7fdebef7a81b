import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { BridgeError } from '../../errors.js';
import { socketLock } from '../../socket-lock.js';

/**
 * One process for a state file: two would send the same lines.
 * @throws BridgeError `KTB_STATE`: another one has it
 */
export async function lockState(path: string): Promise<() => Promise<void>> {
  const unlock = await socketLock(addressOf(join(await realpath(dirname(path)), basename(path))));
  if (unlock) return unlock;
  throw new BridgeError(
    'KTB_STATE',
    `Expected ${path} to be used by nobody else, but another ktb produce is`,
  );
}

function addressOf(path: string): string {
  const name = `ktb-produce-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
}
