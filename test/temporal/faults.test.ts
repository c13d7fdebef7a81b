import test from 'ava';
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { NamespaceNotFoundError, ServiceError as SdkServiceError } from '@temporalio/client';
import { ValueError } from '@temporalio/common';
import { faultOf } from '../../bridge/temporal/faults.js';
import { TemporalFault, type FaultKind } from '../../bridge/temporal/temporal-port.js';

function grpc(code: status, details: string): ServiceError {
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), {
    code,
    details,
    metadata: new Metadata(),
  });
}

/** As the SDK's client wraps what its connection throws. */
const wrapped = (cause: Error): Error => new SdkServiceError('Failed to start Workflow', { cause });

function kindOf(error: unknown): FaultKind {
  return faultOf(error).kind;
}

test('an answer that refuses everybody, or none at all, is systemic', (t) => {
  for (const code of [
    status.UNAVAILABLE,
    status.DEADLINE_EXCEEDED,
    status.RESOURCE_EXHAUSTED,
    status.CANCELLED,
    status.UNKNOWN,
    status.INTERNAL,
    status.ABORTED,
    status.UNAUTHENTICATED,
    status.PERMISSION_DENIED,
    status.UNIMPLEMENTED,
    status.FAILED_PRECONDITION,
    status.NOT_FOUND,
    status.DATA_LOSS,
  ]) {
    const fault = faultOf(wrapped(grpc(code, 'something')));
    t.is(fault.kind, 'systemic', status[code]);
    t.is(fault.status, status[code]);
    t.is(fault.message, 'something');
  }
});

test('an answer about what the request says is rejected', (t) => {
  t.is(kindOf(wrapped(grpc(status.INVALID_ARGUMENT, 'Namespace has invalid search attribute'))), 'rejected');
  t.is(kindOf(wrapped(grpc(status.OUT_OF_RANGE, 'no'))), 'rejected');
  t.is(kindOf(wrapped(grpc(status.INVALID_ARGUMENT, 'WorkflowType is not set on request.'))), 'rejected');
});

test('a request that is too large is oversized, whatever the status says', (t) => {
  const received = 'grpc: received message larger than max (5242944 vs. 4194304)';
  for (const [code, details] of [
    [status.RESOURCE_EXHAUSTED, received],
    [status.RESOURCE_EXHAUSTED, 'Received message larger than max (5242944 vs 4194304)'],
    [status.INVALID_ARGUMENT, 'Blob data size exceeds limit.'],
    [status.INVALID_ARGUMENT, 'input exceeds size limit.'],
    [status.INVALID_ARGUMENT, 'Memo is too large'],
  ] as const) {
    t.is(kindOf(wrapped(grpc(code, details))), 'oversized', details);
  }
});

test('an exhausted resource is no oversized request', (t) => {
  for (const details of [
    'namespace rate limit exceeded',
    'service rate limit exceeded',
    'system is overloaded',
  ]) {
    t.is(kindOf(wrapped(grpc(status.RESOURCE_EXHAUSTED, details))), 'systemic', details);
  }
});

test('an ID or a name that is too long is rejected: a smaller event would not mend it', (t) => {
  for (const details of [
    'WorkflowId length exceeds limit.',
    'WorkflowType length exceeds limit.',
    'TaskQueue name length exceeds limit.',
  ]) {
    t.is(kindOf(wrapped(grpc(status.INVALID_ARGUMENT, details))), 'rejected', details);
  }
});

test('a namespace that is missing is systemic', (t) => {
  const fault = faultOf(new NamespaceNotFoundError('nowhere'));
  t.is(fault.kind, 'systemic');
  t.is(fault.status, 'NOT_FOUND');
  t.regex(fault.message, /nowhere/);
});

test('the fault is found beneath what wraps it, and the error stays as its cause', (t) => {
  const deep = new Error('a', { cause: new Error('b', { cause: grpc(status.UNAVAILABLE, 'away') }) });
  const fault = faultOf(deep);
  t.is(fault.status, 'UNAVAILABLE');
  t.is(fault.cause, deep);
  const own = new TemporalFault('oversized', 'too large');
  t.is(faultOf(own), own);
  t.is(faultOf(new Error('x', { cause: own })), own);
});

test('a cause that is its own cause ends', (t) => {
  const error = new Error('round');
  error.cause = error;
  t.is(kindOf(error), 'systemic');
});

test('what the converter refuses is rejected: the same bytes fail again', (t) => {
  t.is(kindOf(new ValueError('Unable to convert 10n to payload')), 'rejected');
  t.is(kindOf(wrapped(new TypeError('Do not know how to serialize a BigInt'))), 'rejected');
  t.is(kindOf(wrapped(new RangeError('Invalid time value'))), 'rejected');
});

test('what is not known is systemic: nothing is dropped because of it', (t) => {
  t.is(kindOf(new Error('the key server is away')), 'systemic');
  t.is(kindOf('a string'), 'systemic');
  t.is(kindOf(undefined), 'systemic');
  t.is(faultOf('a string').message, 'a string');
});
