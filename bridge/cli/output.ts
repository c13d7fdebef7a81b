/** What commands print: data on stdout, everything else on stderr; colours and cut lines on a terminal only. */
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import { BridgeError } from '../errors.js';

type Colour = Parameters<typeof styleText>[0];

/** One line of JSON. Absent fields are left out; offsets are strings, times epoch milliseconds. */
export function printJson(value: unknown): void {
  process.stdout.write(
    `${JSON.stringify(value, (_name, one: unknown) => (typeof one === 'bigint' ? one.toString() : one))}\n`,
  );
}

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** For people: never data. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function painted(text: string, colour: Colour): string {
  return process.stdout.isTTY && !process.env['NO_COLOR'] ? styleText(colour, text) : text;
}

const STATE_COLOURS: Readonly<Record<string, Colour>> = {
  completed: 'green',
  through: 'green',
  ready: 'green',
  running: 'cyan',
  failed: 'red',
  foreign: 'red',
  'not-reset': 'red',
  quarantined: 'yellow',
  waiting: 'yellow',
  changed: 'yellow',
  'not-picked-up': 'yellow',
};

export function paintedState(state: string): string {
  return painted(state, STATE_COLOURS[state] ?? 'gray');
}

/** Columns as wide as they need to be, under their names; on a terminal lines are cut to its width, in a pipe never. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const width = process.stdout.isTTY ? (process.stdout.columns ?? 80) : Infinity;
  const clean = [header, ...rows].map((row) => row.map(oneLine));
  const widths = header.map((_, column) => Math.max(...clean.map((row) => (row[column] ?? '').length)));
  clean.forEach((row, index) => {
    const line = row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join('  ');
    const cut = line.length > width ? `${line.slice(0, width - 1)}…` : line;
    print(index === 0 ? painted(cut, 'bold') : cut);
  });
}

/** Values come from records and errors: nothing in them may move the cursor. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}

/** `2026-11-24 06:05:24`, in UTC, as the log has it. */
export function timeText(epochMs: number | undefined): string {
  return epochMs === undefined ? '-' : new Date(epochMs).toISOString().slice(0, 19).replace('T', ' ');
}

/**
 * Asks on the terminal.
 * @throws BridgeError `KTB_USAGE` where there is none, and `--yes` was not given
 */
export async function confirmed(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`--yes\`, since there is no terminal to ask on: ${question}`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} y/N `)).trim());
  } finally {
    terminal.close();
  }
}

/** The keys given as arguments; `-` stands for lines of standard input. */
export async function keysFrom(given: readonly string[]): Promise<readonly string[]> {
  if (!given.includes('-')) return given;
  if (process.stdin.isTTY)
    throw new BridgeError('KTB_USAGE', 'Expected keys from a pipe for `-`, one a line, got a terminal');
  const keys = given.filter((one) => one !== '-');
  for await (const line of createInterface({ input: process.stdin }))
    if (line.trim() !== '') keys.push(line.trim());
  return keys;
}
