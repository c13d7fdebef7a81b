import { BridgeError } from '../errors.js';

/** One way to get a piece of the local stack, and what came of it. */
export interface Attempt {
  /** As an instruction: "set `TEMPORAL_CLI_PATH`, or put `temporal` on PATH". */
  readonly way: string;
  /** Why it did not work here. */
  readonly outcome: string;
}

/** The one error for a piece that can't be had: every way to get it, in the order tried, and why it failed. */
export function missingPiece(piece: string, attempts: readonly Attempt[], cause?: unknown): BridgeError {
  const lines = attempts.map(({ way, outcome }, index) => {
    const indented = outcome.trim().replaceAll('\n', '\n       ');
    return `  ${index + 1}. ${way}\n     here: ${indented}`;
  });
  const message = `${piece} is not to be had on this machine. One of these ways is needed:\n${lines.join('\n')}`;
  return new BridgeError('KTB_LOCAL_STACK', message, { cause });
}
