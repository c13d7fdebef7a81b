import { BridgeError } from '../../errors.js';
import { IDEMPOTENCY_KEY_HEADER } from '../../intake/idempotency-key.js';
import { bytesOf } from '../../producer/message.js';
import type { InputLine } from './input-lines.js';
import type { LineMessage, LineResult } from './line-record.js';
import { chained, digestOf } from './line-window.js';
import type { PendingLine } from './lines-in-log.js';
import type { RunState } from './run-state.js';
import { MAY_BE_SENT } from './state-file.js';

/**
 * Passes the lines that are done with.
 * @returns those after them that an earlier run may have sent
 * @throws BridgeError `KTB_STATE`: they are other ones
 */
export async function linesAfter(
  lines: AsyncIterator<InputLine>,
  before: RunState['before'],
  name: string,
): Promise<readonly InputLine[]> {
  let chain = '';
  for (let line = 1; line <= before.lines; line++) {
    const next = await lines.next();
    if (next.done) throw otherInput(name, `at least ${before.lines} lines`, `${line - 1}`);
    chain = chained(chain, digestOf(next.value.bytes));
  }
  if (chain !== before.sha256)
    throw otherInput(name, `the ${before.lines} lines that were sent`, 'other ones');
  const early: InputLine[] = [];
  if (before.head === 0) return early;
  for (let bytes = 0; ;) {
    const next = await lines.next();
    if (next.done) return early;
    early.push(next.value);
    if (next.value.number > before.head) bytes += next.value.bytes.length;
    if (next.value.number > before.head + MAY_BE_SENT.lines || bytes > MAY_BE_SENT.bytes) return early;
  }
}

/** What of these lines is to be looked for in the topic: what is not known to be there, and can be sent. */
export function pendingOf(
  lines: readonly InputLine[],
  { before, run }: Pick<RunState, 'before' | 'run'>,
  read: (line: Buffer) => LineResult,
): readonly PendingLine[] {
  const pending: PendingLine[] = [];
  for (const { number: line, bytes } of lines) {
    if (before.ahead[line] !== undefined) continue;
    const result = read(bytes);
    if (result.kind !== 'record') continue;
    const { key, value } = result.message;
    const idempotencyKey = keysOf(result.message, run, line).at(-1)!;
    pending.push({ line, idempotencyKey, key: bytesOf(key), value });
  }
  return pending;
}

/** The line's own idempotency key, or one of its run and its number. */
export function keysOf({ headers }: LineMessage, run: string, line: number): readonly Buffer[] {
  const own = headers?.[IDEMPOTENCY_KEY_HEADER] as readonly Buffer[] | undefined;
  return own === undefined || own.length === 0 ? [Buffer.from(`${run}:${line}`)] : own;
}

export function otherInput(name: string, expected: string, got: string): BridgeError {
  return new BridgeError(
    'KTB_STATE',
    `Expected ${name} to have ${expected}, got ${got}: the state is of another input; --restart begins anew`,
  );
}
