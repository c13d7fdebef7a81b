import { BridgeError } from '../../errors.js';

/** A line of the input, as its bytes, without its end. */
export interface InputLine {
  /** From 1 on. */
  readonly number: number;
  readonly bytes: Buffer;
}

const LF = 0x0a;
const CR = 0x0d;
/** More than any broker takes in a record: a file without line ends must not fill the memory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** The lines of a stream. What stands behind the last line end is one more, unless it is empty. @throws BridgeError `KTB_RECORD` */
export async function* linesOf(
  source: AsyncIterable<Buffer>,
  maxLineBytes: number = MAX_LINE_BYTES,
): AsyncIterable<InputLine> {
  let number = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  const ended = (last: Buffer): InputLine => {
    const whole = begun.length === 0 ? last : Buffer.concat([...begun, last]);
    begun = [];
    begunBytes = 0;
    return { number: ++number, bytes: whole.at(-1) === CR ? whole.subarray(0, -1) : whole };
  };
  for await (const chunk of source) {
    let from = 0;
    for (let end; (end = chunk.indexOf(LF, from)) !== -1; from = end + 1)
      yield ended(chunk.subarray(from, end));
    if (from === chunk.length) continue;
    begun.push(chunk.subarray(from));
    begunBytes += chunk.length - from;
    if (begunBytes > maxLineBytes)
      throw new BridgeError(
        'KTB_RECORD',
        `Expected line ${number + 1} to have at most ${maxLineBytes} bytes, got more`,
      );
  }
  if (begun.length > 0) yield ended(Buffer.alloc(0));
}
