/**
 * The codes of every error that this package throws.
 *
 * `KTB_CONFIG`: the configuration is wrong; the message names the field, what was expected and what came.
 * `KTB_USAGE`: a command or a function was called wrongly.
 * `KTB_SUBSCRIPTION`: the consumer group belongs to a subscription of another name.
 * `KTB_KAFKA`: Kafka refused something that a retry does not mend, or shows a certificate that is not to be trusted.
 * `KTB_TEMPORAL`: Temporal refused something that a retry does not mend, or shows such a certificate.
 * `KTB_WORKER`: the worker can't be built: an unknown workflow or activity, a bundle that fails.
 * `KTB_LOCAL_STACK`: a piece of the local stack can't be had; the message lists the ways to get it.
 * `KTB_HTTP`: probes and metrics can't be served where they should be.
 * `KTB_RECORD`: a record can't be decoded, routed, taken or encoded.
 * `KTB_STATE`: the state file of `ktb produce` can't be used: another input's, another process's, or the disk refuses it.
 *
 * Of the producer, see `SendError`:
 * `KTB_BACK_PRESSURE`: the buffer is full, and this record was dropped or refused; the error's `reason` says which.
 * `KTB_CIRCUIT_OPEN`: Kafka is away; the record was not taken.
 * `KTB_DEAD_LETTERED`: it can't be sent, and stands in its topic's dead letter topic.
 * `KTB_SPILLED`: Kafka is away; it stands in the spill file, and is sent from there.
 * `KTB_DELIVERY_UNKNOWN`: the time is over, and it may or may not be in Kafka.
 * `KTB_NOT_DELIVERED`: it is not in Kafka, and will not be.
 * `KTB_CLOSED`: the producer is closed.
 * `KTB_SPILL`: the spill file can't be used: somebody else's, or the disk refuses it.
 */
export type BridgeErrorCode =
  | 'KTB_CONFIG'
  | 'KTB_USAGE'
  | 'KTB_SUBSCRIPTION'
  | 'KTB_KAFKA'
  | 'KTB_TEMPORAL'
  | 'KTB_WORKER'
  | 'KTB_LOCAL_STACK'
  | 'KTB_HTTP'
  | 'KTB_RECORD'
  | 'KTB_STATE'
  | 'KTB_BACK_PRESSURE'
  | 'KTB_CIRCUIT_OPEN'
  | 'KTB_DEAD_LETTERED'
  | 'KTB_SPILLED'
  | 'KTB_DELIVERY_UNKNOWN'
  | 'KTB_NOT_DELIVERED'
  | 'KTB_CLOSED'
  | 'KTB_SPILL';

export interface BridgeErrorOptions {
  readonly cause?: unknown;
  /** Whether the same call can succeed later, without a change. @default false */
  readonly retryable?: boolean;
}

/** The base of every error that this package throws: `code` for programs, `message` for people. */
export class BridgeError extends Error {
  override readonly name: string = 'BridgeError';
  readonly code: BridgeErrorCode;
  readonly retryable: boolean;

  constructor(code: BridgeErrorCode, message: string, options: BridgeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
