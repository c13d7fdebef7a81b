import { BridgeError } from '../../errors.js';
import { oneLine } from '../../intake/one-line.js';
import type { Header, MessageHeaders } from '../headers.js';

/** What an encoder is told beside the event. */
export interface EncodeContext {
  readonly topic: string;
  readonly key: Buffer | null;
  /** As the caller gave them. */
  readonly headers: MessageHeaders;
}

/** An event as bytes, and the headers by which it is read again. */
export interface Encoded {
  /** `null` is a tombstone. */
  readonly value: Buffer | null;
  readonly headers?: readonly Header[];
  readonly eventType?: string;
}

/** Event to bytes. What it throws is the event's own fault, except a `BridgeError` with `retryable`. */
export type Encoder = (event: unknown, context: EncodeContext) => Encoded | Promise<Encoded>;

/** The event's own fault. */
export function unencodable(message: string, cause?: unknown): BridgeError {
  return new BridgeError('KTB_RECORD', oneLine(message), { cause });
}
