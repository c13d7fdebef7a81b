/** What an error of a call to Temporal means. One place decides it; the rules stand in design.md, "The way of one record". */
import { status as grpcStatus } from '@grpc/grpc-js';
import { isGrpcServiceError } from '@temporalio/client';
import { messageOf } from '../errors.js';
import { TemporalFault, type FaultKind } from './temporal-port.js';

const OWN_FAULT: ReadonlySet<number> = new Set([grpcStatus.INVALID_ARGUMENT, grpcStatus.OUT_OF_RANGE]);

/** gRPC's own message limit answers RESOURCE_EXHAUSTED, though only this one request is too large. */
const TOO_LARGE =
  /message larger than max|exceeds? (?:the )?(?:size )?limit|too large|blob (?:data )?size|payload.*limit/i;

/** Of an ID or a name: a smaller event would not mend it. */
const TOO_LONG = /length exceeds/i;

function kindOf(code: number, details: string): FaultKind {
  if (code === grpcStatus.RESOURCE_EXHAUSTED && /message larger than max/i.test(details)) return 'oversized';
  if (OWN_FAULT.has(code))
    return TOO_LARGE.test(details) && !TOO_LONG.test(details) ? 'oversized' : 'rejected';
  return 'systemic';
}

/** Errors of the data converter and of the SDK's own checks: the same bytes fail again. */
const CONVERTER_ERRORS = new Set([
  'ValueError',
  'PayloadConverterError',
  'TypeError',
  'RangeError',
  'SyntaxError',
]);

export function faultOf(error: unknown): TemporalFault {
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++) {
    if (current instanceof TemporalFault) return current;
    if (isGrpcServiceError(current)) {
      const details = current.details || current.message;
      return new TemporalFault(kindOf(current.code, details), details, {
        status: grpcStatus[current.code],
        cause: error,
      });
    }
    if (current.name === 'NamespaceNotFoundError') {
      return new TemporalFault('systemic', current.message, { status: 'NOT_FOUND', cause: error });
    }
    if (current.cause === undefined) break;
    current = current.cause;
  }
  // The innermost error has the reason; the SDK's own words around it have not.
  const name = current instanceof Error ? current.name : '';
  return new TemporalFault(CONVERTER_ERRORS.has(name) ? 'rejected' : 'systemic', messageOf(current), {
    cause: error,
  });
}
