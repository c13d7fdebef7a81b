/** One step under way. Exactly one of `done` and `fail` ends it; what comes afterwards is ignored. */
export interface ProgressStep {
  /** Says what the step is doing now; replaces the former detail. */
  update(detail: string): void;
  done(detail?: string): void;
  fail(detail: string): void;
}

/** Where long work says what it does. Steps may run side by side. */
export interface Progress {
  /** @param title what is done, as "starting Kafka" */
  step(title: string): ProgressStep;
}

export interface TerminalProgressOptions {
  /** @default process.stderr (data belong on stdout) */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** Off a terminal: how often a step that takes long says that it is still alive. @default 15_000 */
  readonly heartbeatMs?: number;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
}

/** Says nothing. */
export const silentProgress: Progress = Object.freeze({
  step: () => ({ update: () => {}, done: () => {}, fail: () => {} }),
});

/** On a terminal a spinner line a step with the elapsed seconds; elsewhere plain lines. `NO_COLOR` is heard. */
export function terminalProgress(options: TerminalProgressOptions = {}): Progress {
  const stream = options.stream ?? process.stderr;
  return stream.isTTY === true
    ? new SpinnerProgress(stream, options.env ?? process.env)
    : new PlainProgress(stream, options.heartbeatMs ?? 15_000);
}

/** "4.2 s", "45 s". */
function elapsed(sinceMs: number): string {
  const seconds = (performance.now() - sinceMs) / 1000;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

/** Details come from other programs' output: one line, nothing that moves the cursor. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
}

class PlainProgress implements Progress {
  readonly #stream: NodeJS.WritableStream;
  readonly #heartbeatMs: number;

  constructor(stream: NodeJS.WritableStream, heartbeatMs: number) {
    this.#stream = stream;
    this.#heartbeatMs = heartbeatMs;
  }

  step(title: string): ProgressStep {
    const since = performance.now();
    let detail = '';
    let ended = false;
    const line = (text: string): boolean => this.#stream.write(`${oneLine(text)}\n`);
    const suffix = (text: string): string => (text === '' ? '' : `: ${text}`);
    line(`${title} ...`);
    const heartbeat = setInterval(() => {
      line(`still ${title}, ${elapsed(since)}${suffix(detail)}`);
    }, this.#heartbeatMs);
    heartbeat.unref();
    const end = (text: string): void => {
      if (ended) return;
      ended = true;
      clearInterval(heartbeat);
      line(text);
    };
    return {
      update: (text) => {
        detail = text;
      },
      done: (text = '') => end(`${title}: done in ${elapsed(since)}${text === '' ? '' : ` (${text})`}`),
      fail: (text) => end(`${title}: failed after ${elapsed(since)}${suffix(text)}`),
    };
  }
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

interface SpinnerLine {
  readonly title: string;
  readonly since: number;
  detail: string;
}

/** A block of one line a step under way, redrawn in place; ended steps stay above it. */
class SpinnerProgress implements Progress {
  readonly #stream: NodeJS.WritableStream & { readonly columns?: number };
  readonly #color: boolean;
  readonly #active = new Set<SpinnerLine>();
  #drawn = 0;
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv) {
    this.#stream = stream;
    this.#color = (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  }

  step(title: string): ProgressStep {
    const line: SpinnerLine = { title, since: performance.now(), detail: '' };
    this.#active.add(line);
    this.#timer ??= setInterval(() => this.#draw(), 100).unref();
    this.#draw();
    const end = (mark: string, code: number, text: string): void => {
      if (!this.#active.delete(line)) return;
      if (this.#active.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
      this.#draw(`${this.#paint(mark, code)} ${oneLine(`${title}, ${elapsed(line.since)}${text}`)}\n`);
    };
    return {
      update: (detail) => {
        line.detail = detail;
      },
      done: (detail = '') => end('✔', 32, detail === '' ? '' : ` (${detail})`),
      fail: (detail) => end('✖', 31, `: ${detail}`),
    };
  }

  #paint(text: string, code: number): string {
    return this.#color ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  #draw(finished = ''): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    // A line that wraps would be two rows, and the block could not be redrawn in place.
    const width = (this.#stream.columns ?? 80) - 3;
    let block = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\u001b[J`;
    block += finished;
    for (const { title, detail, since } of this.#active) {
      const text = oneLine(`${title}, ${elapsed(since)}${detail === '' ? '' : `: ${detail}`}`);
      block += `${this.#paint(FRAMES[this.#frame] ?? '-', 36)} ${text.slice(0, Math.max(width, 10))}\n`;
    }
    this.#drawn = this.#active.size;
    this.#stream.write(block);
  }
}
