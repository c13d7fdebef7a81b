import { compilePointer } from '../../intake/json-pointer.js';
import { oneLine } from '../../intake/one-line.js';
import type { ProducerMessage } from '../../producer/producer-options.js';
import { utf8Text } from '../../utf8.js';
import { memberText } from './json-member.js';

/** How a line becomes a record. */
export interface LineOptions {
  /** The line is the value itself. @default false */
  readonly raw?: boolean;
  /** A JSON pointer: where in the value the key stands, for lines that have none. */
  readonly keyField?: string;
  /** Of lines that have no such header. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  /** Whether a line's `partition` is heeded. @default true */
  readonly partitions?: boolean;
}

/** What is sent of a line, but for its topic. */
export type LineMessage = Omit<ProducerMessage, 'topic'> & { readonly value: Buffer | null };

/** A line's record, or why it is none. A blank one is nobody's fault. */
export type LineResult =
  | { readonly kind: 'record'; readonly message: LineMessage }
  | { readonly kind: 'bad'; readonly why: string }
  | { readonly kind: 'blank' };

/** Also what `ktb tail --json` tells of a record beside these. */
const FIELDS = new Set(['key', 'keyBase64', 'value', 'valueBase64', 'headers', 'headersBase64']);
for (const name of ['partition', 'timestamp']) FIELDS.add(name);
const OF_TAIL = new Set(['topic', 'offset', 'eventType', 'idempotencyKey', 'route', 'error']);
for (const name of ['state', 'reason', 'workflowId', 'runId', 'link', 'first']) OF_TAIL.add(name);

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Told to {@link lineReader}'s caller as a value. */
class BadLine extends Error {}

/** @throws SyntaxError where `keyField` is no JSON pointer */
export function lineReader(options: LineOptions): (line: Buffer) => LineResult {
  const { raw = false, keyField, headers = {}, partitions = true } = options;
  const lookUp = keyField === undefined ? undefined : compilePointer(keyField);
  const keyOf = (event: unknown): string | undefined => {
    if (!lookUp) return undefined;
    const key = textOf(lookUp(event));
    if (key === undefined)
      throw new BadLine(`Expected the value to have a string or a number at ${JSON.stringify(keyField)}`);
    return key;
  };
  const added = (given: MessageHeaderValues): MessageHeaderValues => ({
    ...Object.fromEntries(
      Object.entries(headers).map(([name, values]) => [name, values.map((one) => Buffer.from(one))]),
    ),
    ...given,
  });
  const rawMessage = (line: Buffer): LineMessage => {
    const key = lookUp && keyOf(parsed(textOfLine(line)));
    return { value: line, headers: added({}), ...(key === undefined ? {} : { key }) };
  };
  const jsonMessage = (line: Buffer): LineMessage => {
    const text = textOfLine(line);
    const given = objectOf(parsed(text), text);
    const value = valueOf(given, text);
    const own = keyGiven(given);
    // A key that is given as null is none, on purpose.
    const key = own === undefined ? keyOf(given['value']) : own;
    return {
      value,
      headers: added(headersGiven(given)),
      ...(key === undefined || key === null ? {} : { key }),
      ...(partitions && given['partition'] !== undefined ? { partition: wholeOf(given, 'partition') } : {}),
      ...(given['timestamp'] === undefined ? {} : { timestamp: wholeOf(given, 'timestamp') }),
    };
  };
  return (line) => {
    try {
      if (raw) return { kind: 'record', message: rawMessage(line) };
      if (isBlank(line)) return { kind: 'blank' };
      return { kind: 'record', message: jsonMessage(line) };
    } catch (error) {
      if (error instanceof BadLine) return { kind: 'bad', why: oneLine(error.message) };
      throw error;
    }
  };
}

type Given = Readonly<Record<string, unknown>>;
type MessageHeaderValues = Record<string, Buffer[]>;

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09);
}

function textOfLine(line: Buffer): string {
  const text = utf8Text(line);
  if (text === undefined) throw new BadLine('Expected the line to be UTF-8, got other bytes');
  return text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BadLine(`Expected the line to be JSON, got ${shown(text)}: ${(error as Error).message}`);
  }
}

function objectOf(given: unknown, text: string): Given {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new BadLine(
      `Expected the line to be an object with a \`value\`, got ${shown(text)}; lines that are values themselves need --raw`,
    );
  const unknown = Object.keys(given).find((name) => !FIELDS.has(name) && !OF_TAIL.has(name));
  if (unknown !== undefined)
    throw new BadLine(
      `Expected the fields ${[...FIELDS].join(', ')}, got ${JSON.stringify(unknown)}; lines that are values themselves need --raw`,
    );
  return given as Given;
}

/** As it stands in the line; a string too, with its quotes: it is JSON. */
function valueOf(given: Given, text: string): Buffer | null {
  const { value, valueBase64 } = given;
  if (value !== undefined && valueBase64 !== undefined)
    throw new BadLine('Expected `value` or `valueBase64`, got both');
  if (valueBase64 !== undefined) return bytesOf(valueBase64, 'valueBase64');
  if (value === undefined)
    throw new BadLine(
      'Expected `value` or `valueBase64`, got neither; lines that are values themselves need --raw',
    );
  return value === null ? null : Buffer.from(memberText(text, 'value')!);
}

function keyGiven({ key, keyBase64 }: Given): string | Buffer | null | undefined {
  if (key !== undefined && keyBase64 !== undefined)
    throw new BadLine('Expected `key` or `keyBase64`, got both');
  if (keyBase64 !== undefined) return bytesOf(keyBase64, 'keyBase64');
  if (key === undefined || key === null) return key;
  const text = textOf(key);
  if (text === undefined)
    throw new BadLine(`Expected \`key\` to be a string or a number, got ${kindOf(key)}`);
  return text;
}

/** Bytes, so that nothing in them is changed on the way. */
function headersGiven(given: Given): MessageHeaderValues {
  const headers = Object.create(null) as MessageHeaderValues;
  const add = (field: 'headers' | 'headersBase64', bytes: (one: unknown, name: string) => Buffer): void => {
    const all = given[field];
    if (all === undefined) return;
    if (typeof all !== 'object' || all === null || Array.isArray(all))
      throw new BadLine(`Expected \`${field}\` to be an object, got ${kindOf(all)}`);
    for (const [name, value] of Object.entries(all)) {
      if (name === '') throw new BadLine(`Expected \`${field}\` to have names, got an empty one`);
      const values = (Array.isArray(value) ? value : [value]) as readonly unknown[];
      headers[name] = [...(headers[name] ?? []), ...values.map((one) => bytes(one, `${field}.${name}`))];
    }
  };
  add('headers', (one, name) => {
    const text = typeof one === 'boolean' ? String(one) : textOf(one);
    if (text === undefined) throw new BadLine(`Expected \`${name}\` to be a string, got ${kindOf(one)}`);
    return Buffer.from(text);
  });
  add('headersBase64', bytesOf);
  return headers;
}

function bytesOf(value: unknown, name: string): Buffer {
  if (typeof value !== 'string' || !BASE64.test(value))
    throw new BadLine(
      `Expected \`${name}\` to be base64, got ${typeof value === 'string' ? shown(value) : kindOf(value)}`,
    );
  return Buffer.from(value, 'base64');
}

/** A string, or a number that JSON.parse has not rounded. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const exact = typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isInteger(value));
  return exact ? String(value) : undefined;
}

function wholeOf(given: Given, name: 'partition' | 'timestamp'): number {
  const value = given[name];
  const most = name === 'partition' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
  const expected = name === 'partition' ? 'a whole number' : 'epoch milliseconds';
  const got = typeof value === 'number' ? String(value) : kindOf(value);
  throw new BadLine(`Expected \`${name}\` to be ${expected}, got ${got}`);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
