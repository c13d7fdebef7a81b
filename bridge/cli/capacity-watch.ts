import type { CapacityLook } from '../operate/capacity.js';
import { messageOf } from '../errors.js';
import { delay } from '../timing.js';
import { capacityLine, showCapacity } from './capacity-view.js';
import { oneLine, print, printJson, say, timeText } from './output.js';

export interface CapacityWatchOptions {
  /** The subscription. */
  readonly name: string;
  readonly json: boolean;
  readonly look: () => Promise<CapacityLook>;
  /** @default 1000 */
  readonly everyMs?: number;
}

/** Not more often: each look is a query, and Temporal Cloud counts queries. */
const LOOK_MS = 1_000;
/** The cursor to the top, and nothing below it. */
const FROM_THE_TOP = '\u001b[H\u001b[J';

/** Looks again and again: redrawn on a terminal, an object a look with `--json`, a line a change in a pipe. */
export class CapacityWatch {
  readonly #options: CapacityWatchOptions;
  #last = '';

  constructor(options: CapacityWatchOptions) {
    this.#options = options;
  }

  /**
   * Until the signal fires. What fails is said, and tried again: an outage is what one watches.
   * @returns whether the last look was answered by a worker
   * @throws what fails at the first look
   */
  async run(signal: AbortSignal): Promise<boolean> {
    let answers = this.#show(await this.#options.look());
    for (;;) {
      await delay(this.#options.everyMs ?? LOOK_MS, signal);
      if (signal.aborted) return answers;
      try {
        answers = this.#show(await this.#options.look());
      } catch (error) {
        answers = false;
        this.#changed(oneLine(messageOf(error)), say);
      }
    }
  }

  #show(look: CapacityLook): boolean {
    const { json, name } = this.#options;
    if (json) {
      printJson(look);
    } else if (process.stdout.isTTY) {
      process.stdout.write(FROM_THE_TOP);
      showCapacity(look, name);
    } else {
      this.#changed(capacityLine(look), print);
    }
    return look.answers;
  }

  #changed(line: string, write: (line: string) => void): void {
    if (line === this.#last) return;
    this.#last = line;
    write(`${timeText(Date.now())} ${line}`);
  }
}
