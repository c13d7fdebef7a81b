import { BridgeError, type BridgeErrorCode } from '../errors.js';

/** Why a record was dropped or refused while the buffer was full. */
export type DropReason = 'old_message_dropped' | 'timeout_drop' | 'low_priority_drop';

/** The codes with which a send can end; what each means stands at `BridgeErrorCode`. */
export type SendErrorCode = Extract<
  BridgeErrorCode,
  | 'KTB_BACK_PRESSURE'
  | 'KTB_CIRCUIT_OPEN'
  | 'KTB_DEAD_LETTERED'
  | 'KTB_SPILLED'
  | 'KTB_DELIVERY_UNKNOWN'
  | 'KTB_NOT_DELIVERED'
  | 'KTB_CLOSED'
>;

export interface SendErrorOptions {
  readonly topic: string;
  readonly reason?: DropReason;
  readonly deadLetter?: DeadLetterPlace;
  readonly cause?: unknown;
}

/** Where a record's dead letter stands. */
export interface DeadLetterPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
}

/** Sent again by the caller, these may double nothing: the record is in no log and no file. */
const RETRYABLE: ReadonlySet<SendErrorCode> = new Set([
  'KTB_BACK_PRESSURE',
  'KTB_CIRCUIT_OPEN',
  'KTB_NOT_DELIVERED',
]);

/**
 * Why a send did not end in the log. `retryable` says that the caller may send the record again: it is nowhere. After
 * `KTB_SPILLED` and `KTB_DELIVERY_UNKNOWN` it is still on its way, and sent again it would double.
 */
export class SendError extends BridgeError {
  override readonly name = 'SendError';
  override readonly code: SendErrorCode;
  readonly topic: string;
  /** With `KTB_BACK_PRESSURE`. */
  readonly reason: DropReason | undefined;
  /** With `KTB_DEAD_LETTERED`. */
  readonly deadLetter: DeadLetterPlace | undefined;

  constructor(code: SendErrorCode, message: string, options: SendErrorOptions) {
    super(code, message, { cause: options.cause, retryable: RETRYABLE.has(code) });
    this.code = code;
    this.topic = options.topic;
    this.reason = options.reason;
    this.deadLetter = options.deadLetter;
  }
}
