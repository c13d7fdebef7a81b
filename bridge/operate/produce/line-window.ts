import { createHash } from 'node:crypto';

/** Where the lines of an input stand: all up to one are done with, and some that come after it. */
export interface LinesDone {
  /** All up to this line are done with. */
  readonly lines: number;
  /** Of all of these, so that another input is known as another one. */
  readonly sha256: string;
  /** Lines after it that are done with too, and what they were. */
  readonly ahead: Readonly<Record<string, string>>;
}

export const NOTHING_DONE: LinesDone = { lines: 0, sha256: '', ahead: {} };

interface Entered {
  readonly digest: string;
  readonly bytes: number;
  done: boolean;
}

/** What stands in a line, for comparing. */
export function digestOf(line: Buffer): string {
  return createHash('sha256').update(line).digest('base64url').slice(0, 22);
}

/** The same for all lines up to one. */
export function chained(before: string, digest: string): string {
  return createHash('sha256').update(before).update(digest).digest('base64url').slice(0, 22);
}

/**
 * The lines that were read and are not done with, or stand behind one that isn't. One that takes long holds the others
 * up only when there are too many of them: what a state file tells, and what a resumed run looks for, is bounded.
 */
export class LineWindow {
  readonly #maxLines: number;
  readonly #maxBytes: number;
  readonly #entered = new Map<number, Entered>();
  #lines: number;
  #sha256: string;
  #head: number;
  #bytes = 0;
  #wake: (() => void) | undefined;

  constructor(from: LinesDone, limits: { readonly lines: number; readonly bytes: number }) {
    this.#lines = this.#head = from.lines;
    this.#sha256 = from.sha256;
    this.#maxLines = limits.lines;
    this.#maxBytes = limits.bytes;
  }

  /** The last line that was read. */
  get head(): number {
    return this.#head;
  }

  get lines(): number {
    return this.#lines;
  }

  /** Resolves when one more may be read. */
  async room(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (this.#entered.size >= this.#maxLines || this.#bytes >= this.#maxBytes)) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#wake = done;
        signal.addEventListener('abort', done, { once: true });
      });
    }
  }

  /** The next line. */
  enter(digest: string, bytes: number): void {
    this.#entered.set(++this.#head, { digest, bytes, done: false });
    this.#bytes += bytes;
  }

  done(line: number): void {
    const one = this.#entered.get(line);
    if (one) one.done = true;
    for (let next; (next = this.#entered.get(this.#lines + 1))?.done;) {
      this.#entered.delete(++this.#lines);
      this.#sha256 = chained(this.#sha256, next.digest);
      this.#bytes -= next.bytes;
    }
    this.#wake?.();
  }

  get state(): LinesDone {
    const ahead: Record<string, string> = {};
    for (const [line, { digest, done }] of this.#entered) if (done) ahead[line] = digest;
    return { lines: this.#lines, sha256: this.#sha256, ahead };
  }
}
