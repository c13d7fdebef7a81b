import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BridgeError, messageOf } from '../../errors.js';
import type { LinesDone } from './line-window.js';
import { syncFolder } from '../../sync-folder.js';
import { lockState } from './state-lock.js';

/** How far a run has come. What was acknowledged after it was written is found in the topic. */
export interface ProduceState extends LinesDone {
  readonly version: 1;
  readonly topic: string;
  /** Drawn when the first line was about to be sent: part of the idempotency keys. */
  readonly run: string;
  /** The last line that was read. Of those after it some may have been sent: {@link MAY_BE_SENT}. */
  readonly head: number;
  /** By partition: what we have sent and know nothing of stands there or after it. */
  readonly positions: Readonly<Record<string, string>>;
  /** Records in the log. */
  readonly sent: number;
  /** Lines that were left out, as they are bad. */
  readonly skipped: number;
  /** Whether the input came to its end. */
  readonly ended: boolean;
}

/** Where a run's state is kept. */
export interface StateStore {
  /** As it stands in messages. */
  readonly path: string;
  /** Undefined: there is none yet. @throws BridgeError `KTB_STATE` */
  load(): Promise<ProduceState | undefined>;
  /** Resolves when it is durable; one after the other. @throws BridgeError `KTB_STATE` */
  write(state: ProduceState): Promise<void>;
}

/** What may be sent of the lines after a state's `head`, before another one is written. */
export const MAY_BE_SENT = { lines: 4_000, bytes: 8 * 1024 * 1024 };

/**
 * The state file of a run: written beside itself, synced, and put in its place, so that it is always a whole one. It is
 * this process's alone until it is closed.
 */
export class StateFile implements StateStore {
  readonly path: string;
  readonly #unlock: () => Promise<void>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, unlock: () => Promise<void>) {
    this.path = path;
    this.#unlock = unlock;
  }

  /** @throws BridgeError `KTB_STATE` */
  static async open(path: string): Promise<StateFile> {
    try {
      return new StateFile(path, await lockState(path));
    } catch (error) {
      if (error instanceof BridgeError) throw error;
      throw unusable(path, error);
    }
  }

  async load(): Promise<ProduceState | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unusable(this.path, error);
    }
    const state = stateOf(text);
    if (state) return state;
    throw new BridgeError(
      'KTB_STATE',
      `Expected ${this.path} to be a state of ktb produce, got another file`,
    );
  }

  write(state: ProduceState): Promise<void> {
    const written = this.#writing.then(() => this.#write(`${JSON.stringify(state)}\n`));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#unlock();
  }

  async #write(text: string): Promise<void> {
    const beside = `${this.path}.new`;
    try {
      await written(beside, text);
      await rename(beside, this.path);
      await syncFolder(dirname(this.path));
    } catch (error) {
      throw unusable(this.path, error);
    }
  }
}

async function written(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function stateOf(text: string): ProduceState | undefined {
  try {
    const state = JSON.parse(text) as ProduceState;
    const numbers = [state.lines, state.head, state.sent, state.skipped];
    const texts = [state.topic, state.run, state.sha256];
    const whole =
      state.version === 1 &&
      numbers.every((one) => Number.isSafeInteger(one) && one >= 0) &&
      texts.every((one) => typeof one === 'string') &&
      Object.values(state.positions).every((one) => /^\d+$/.test(one)) &&
      Object.values(state.ahead).every((one) => typeof one === 'string');
    return whole ? state : undefined;
  } catch {
    return undefined;
  }
}

function unusable(path: string, error: unknown): BridgeError {
  return new BridgeError('KTB_STATE', `The state file ${path} can't be used: ${messageOf(error)}`, {
    cause: error,
  });
}
