import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:net';
import { BridgeError } from '../errors.js';

export interface WaitOptions {
  /** What is waited for, for the message at the deadline: "the port to open". */
  readonly what: string;
  readonly timeoutMs: number;
  /** @default 50 */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks until the answer is neither `undefined` nor `false`.
 * @throws BridgeError `KTB_LOCAL_STACK` (retryable) at the deadline; the signal's reason when it aborts
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const answer = await condition();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, undefined | false>;
    if (performance.now() >= deadline) {
      const message = `Expected ${options.what} within ${options.timeoutMs} ms`;
      throw new BridgeError('KTB_LOCAL_STACK', message, { retryable: true });
    }
    try {
      await delay(options.intervalMs ?? 50, undefined, { ...(options.signal && { signal: options.signal }) });
    } catch {
      options.signal?.throwIfAborted();
    }
  }
}

/** Whether something accepts TCP connections on this port of 127.0.0.1. */
export async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
