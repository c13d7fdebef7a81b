import { createHash } from 'node:crypto';
import {
  ownTaskQueue,
  QUARANTINE_WORKFLOW,
  type QuarantineInput,
  type QuarantineReason,
  type RawRecord,
  type RecordMemo,
} from '../../workflows/contract.js';
import { lastHeader, textOf, type RawHeaders, type SourceRecord } from '../record.js';
import { quarantineWorkflowId, startRequestId } from '../temporal/ids.js';
import type { StartRequest } from '../temporal/temporal-port.js';
import type { StartScope } from './record-start.js';
import { summaryOf } from './summary.js';

const PREVIEW_CHARACTERS = 1_000;

/** Shown on the execution's page. Fixed text: the UI renders it as Markdown, and a record's text is hostile. */
const DETAILS = {
  whole:
    'This record could not be taken; the failure (**Result**, on the timeline) says why. Mend the cause (the decoder, the route, the key), ' +
    'restart `ktb worker` with it, and **Reset** this workflow to any event: the record goes its way once more.',
  'left-out':
    'This record could not be taken, and is too large to be kept here: the failure (**Result**, on the timeline) says ' +
    'why, and where Kafka still has it.',
};

export interface QuarantineCase {
  readonly source: SourceRecord;
  readonly reason: QuarantineReason;
  readonly message: string;
  readonly routeId: string | undefined;
}

/**
 * The start of a record's quarantine. `bytes: 'left-out'` is for a value too large for Temporal: coordinates and hash
 * stay, and the date until which Kafka still has the record.
 */
export function quarantineRequestOf(
  it: QuarantineCase,
  scope: StartScope,
  nowMs: number,
  bytes: 'whole' | { readonly keptUntil: string | undefined } = 'whole',
): StartRequest {
  const { source } = it;
  const input: QuarantineInput = {
    subscription: scope.name,
    topic: source.topic,
    partition: source.partition,
    offset: source.offset.toString(),
    timestamp: source.timestampMs,
    reason: it.reason,
    message: it.message,
    route: it.routeId ?? null,
    preview: previewOf(source.value),
    valueBytes: source.value?.length ?? null,
    valueSha256: source.value === null ? null : createHash('sha256').update(source.value).digest('hex'),
    raw: bytes === 'whole' ? rawOf(source) : null,
    ...(bytes !== 'whole' && bytes.keptUntil !== undefined ? { keptUntil: bytes.keptUntil } : {}),
  };
  const memo: RecordMemo & { reason: QuarantineReason } = {
    subscription: scope.name,
    route: it.routeId ?? '',
    key: null,
    topic: source.topic,
    partition: source.partition,
    offset: source.offset.toString(),
    timestamp: source.timestampMs,
    processedAt: nowMs,
    reason: it.reason,
  };
  const key = keyLabel(source.headers, scope);
  return {
    workflowId: quarantineWorkflowId(scope, source),
    requestId: startRequestId(scope.name, it.routeId ?? '', source, source.value),
    workflowType: QUARANTINE_WORKFLOW,
    taskQueue: ownTaskQueue(scope.taskQueue),
    args: [input],
    memo: { ...memo },
    labels: {
      record: `${source.topic}/${source.partition}/${source.offset}`,
      key,
      route: it.routeId,
      offset: source.offset,
    },
    summary: summaryOf(source, `${it.reason}:`, it.message),
    details: DETAILS[bytes === 'whole' ? 'whole' : 'left-out'],
  };
}

function keyLabel(headers: RawHeaders, scope: StartScope): string | undefined {
  const key = lastHeader(headers, 'idempotency-key');
  return key === undefined || scope.keySearchAttribute !== 'plain' ? undefined : textOf(key);
}

function previewOf(value: Buffer | null): string | null {
  if (value === null) return null;
  // Lossy on purpose: it is for reading only, the bytes stand beside it.
  return value
    .subarray(0, PREVIEW_CHARACTERS * 4)
    .toString('utf8')
    .slice(0, PREVIEW_CHARACTERS);
}

function rawOf(source: SourceRecord): RawRecord {
  const headers: Record<string, string | string[]> = {};
  for (const name of Object.keys(source.headers)) {
    const value = source.headers[name];
    if (value === undefined || value === null) continue;
    const encoded = Array.isArray(value)
      ? value.map((one: Buffer) => one.toString('base64'))
      : (value as Buffer).toString('base64');
    Object.defineProperty(headers, name, { value: encoded, enumerable: true });
  }
  return {
    key: source.key?.toString('base64') ?? null,
    value: source.value?.toString('base64') ?? null,
    headers,
  };
}

/** The record as it stood in the log, from a quarantine's input. Undefined where only its coordinates were kept. */
export function recordOf(input: QuarantineInput): SourceRecord | undefined {
  const { raw } = input;
  if (raw === null) return undefined;
  const headers: Record<string, Buffer | Buffer[]> = {};
  for (const [name, value] of Object.entries(raw.headers)) {
    const decoded =
      typeof value === 'string'
        ? Buffer.from(value, 'base64')
        : value.map((one) => Buffer.from(one, 'base64'));
    Object.defineProperty(headers, name, { value: decoded, enumerable: true });
  }
  const key = raw.key === null ? null : Buffer.from(raw.key, 'base64');
  const value = raw.value === null ? null : Buffer.from(raw.value, 'base64');
  return {
    topic: input.topic,
    partition: input.partition,
    offset: BigInt(input.offset),
    timestampMs: input.timestamp,
    key,
    value,
    headers,
    sizeBytes: (key?.length ?? 0) + (value?.length ?? 0),
  };
}
