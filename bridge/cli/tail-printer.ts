import { oneLine as safeLine } from '../intake/one-line.js';
import type { RecordOutcome } from '../operate/record-outcome.js';
import { headersOf, type RecordView } from '../operate/tail/record-view.js';
import { utf8Text } from '../utf8.js';
import { textOf, type SourceRecord } from '../record.js';
import { painted, paintedState, timeText } from './output.js';

export interface TailPrinterOptions {
  readonly json: boolean;
  /** Values as base64, and not decoded. */
  readonly base64: boolean;
}

/** What is shown of a value where lines are not cut to a terminal, and of a key or a type anywhere. */
const MAX_VALUE = 100_000;
const MAX_COLUMN = 200;

/** A record as text: an object a line, or for people. */
export class TailPrinter {
  readonly #options: TailPrinterOptions;

  constructor(options: TailPrinterOptions) {
    this.#options = options;
  }

  text(view: RecordView, outcome: RecordOutcome | undefined): string {
    return this.#options.json ? `${this.#json(view, outcome)}\n` : this.#lines(view, outcome);
  }

  #json(view: RecordView, outcome: RecordOutcome | undefined): string {
    const { record, eventType, idempotencyKey, route, error } = view;
    const { topic, partition, offset, timestampMs: timestamp } = record;
    const before = {
      topic,
      partition,
      offset: offset.toString(),
      timestamp,
      ...keyOf(record.key),
    };
    const after = { ...headersOf(record.headers), eventType, idempotencyKey, route, error, ...outcome };
    const value = valueJson(view, this.#options.base64);
    const text = [before, after].map((one) => JSON.stringify(one).slice(1, -1));
    return printable(`{${[text[0], value, text[1]].filter((one) => one !== '').join(',')}}`);
  }

  #lines(view: RecordView, outcome: RecordOutcome | undefined): string {
    const { record, eventType, error } = view;
    const columns = [placeOf(record), timeText(record.timestampMs), keyText(record.key)];
    if (eventType !== undefined) columns.push(safeLine(eventType, MAX_COLUMN));
    if (outcome) columns.push(outcome.state);
    // Colours have no width.
    const taken = columns.join('  ').length + 2;
    const left = process.stdout.isTTY ? Math.max(20, (process.stdout.columns ?? 80) - taken) : MAX_VALUE;
    columns[0] = painted(columns[0]!, 'bold');
    columns[1] = painted(columns[1]!, 'gray');
    if (outcome) columns.push(paintedState(columns.pop()!));
    const lines = [[...columns, safeLine(this.#shown(view), left)].join('  ')];
    if (error !== undefined) lines.push(`  ${painted(safeLine(error), 'red')}`);
    const { reason, first, link } = outcome ?? {};
    const about = [reason === error ? '' : reason, first && `the first is ${first}`, link].filter(Boolean);
    if (about.length > 0) lines.push(`  ${painted(safeLine(about.join('  ')), 'gray')}`);
    return `${lines.join('\n')}\n`;
  }

  #shown({ record, event, json, error }: RecordView): string {
    const { value } = record;
    if (value === null) return record.undecodable === undefined ? '(tombstone)' : '(unreadable)';
    if (this.#options.base64) return value.toString('base64');
    if (json !== undefined) return json;
    if (error !== undefined || event === undefined || event instanceof Uint8Array) return textOf(value);
    return typeof event === 'string' ? event : jsonOf(event);
  }
}

function placeOf({ topic, partition, offset }: SourceRecord): string {
  return `${topic}/${partition}/${offset}`;
}

function keyText(key: Buffer | null): string {
  return key === null ? '-' : safeLine(textOf(key), MAX_COLUMN);
}

function keyOf(key: Buffer | null): { readonly key?: string | null; readonly keyBase64?: string } {
  if (key === null) return { key: null };
  const text = utf8Text(key);
  return text === undefined ? { keyBase64: key.toString('base64') } : { key: text };
}

/** The member of the value. What is JSON in one line is printed as it stands there. */
function valueJson({ record, event, json }: RecordView, base64: boolean): string {
  const { value, undecodable } = record;
  if (undecodable !== undefined) return '';
  if (value === null) return '"value":null';
  if (!base64 && json !== undefined) return `"value":${json}`;
  if (base64 || event === undefined || event === null || event instanceof Uint8Array)
    return `"valueBase64":${JSON.stringify(value.toString('base64'))}`;
  return `"value":${jsonOf(event)}`;
}

function jsonOf(event: unknown): string {
  const replacer = (_name: string, one: unknown) => (typeof one === 'bigint' ? one.toString() : one);
  try {
    return JSON.stringify(event, replacer) ?? JSON.stringify(String(event));
  } catch {
    return JSON.stringify(Object.prototype.toString.call(event));
  }
}

/** C1 controls, line separators and directional overrides stand in strings only: escaped there they say the same. */
function printable(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Standard output that is waited for where it is slow: a topic may be larger than memory. Where nobody reads it any more,
 * as behind `head`, it ends.
 */
export function printed(end: () => void): { write(text: string): Promise<void> } {
  let over = false;
  let wake: () => void = () => undefined;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    over = true;
    end();
    wake();
  });
  return {
    write: async (text) => {
      if (over || process.stdout.write(text)) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
        process.stdout.once('drain', resolve);
      });
    },
  };
}
