import type { ResolvedRoute } from '../config/resolved.js';
import { recordOf } from '../delivery/quarantine-start.js';
import { QUARANTINE_WORKFLOW, type QuarantineInput, type RecordInfo } from '../../workflows/contract.js';
import type { RecordLookup } from '../intake/record-lookup.js';
import type { NotedRecord } from '../operate/record-memo.js';
import { bytesOfText, type RawHeaders } from '../record.js';
import type { OperatorPort } from '../temporal/operator-port.js';
import { TemporalFault } from '../temporal/temporal-port.js';

/** The record that a dead letter is of, as far as anybody still has it. */
export interface OriginalRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: RawHeaders;
  /**
   * `kafka`: as it stands in the log. `input`: as the execution was started with it; of a quarantined one the same bytes,
   * else the event, encoded once more. `none`: nobody has it; only its place is known.
   */
  readonly from: 'kafka' | 'input' | 'none';
}

export interface OriginalPlace {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly noted: NotedRecord;
  readonly route: Pick<ResolvedRoute, 'decoder'>;
}

/** @throws TemporalFault, and what Kafka throws where it is away */
export async function originalRecord(
  { workflowId, runId, workflowType, noted, route }: OriginalPlace,
  lookup: Pick<RecordLookup, 'recordAt'>,
  operator: Pick<OperatorPort, 'input'>,
): Promise<OriginalRecord> {
  const { topic, partition, timestamp } = noted;
  if (timestamp !== undefined) {
    const offset = BigInt(noted.offset);
    const record = await lookup.recordAt({ topic, partition, offset, timestampMs: timestamp });
    if (record) return { key: record.key, value: record.value, headers: record.headers, from: 'kafka' };
  }
  const input = await operator.input(workflowId, runId).catch((error: unknown) => {
    // Its payloads can't be read here (a codec that is missing), and won't be later.
    if (error instanceof TemporalFault && error.kind === 'rejected') return [];
    throw error;
  });
  const found =
    workflowType === QUARANTINE_WORKFLOW
      ? ofQuarantine(input[0])
      : ofHandler(input, noted, route.decoder === 'text' || route.decoder === 'bytes');
  return found ?? { key: null, value: null, headers: {}, from: 'none' };
}

function ofQuarantine(input: unknown): OriginalRecord | undefined {
  const record =
    isObject(input) && isObject(input['raw']) ? recordOf(input as never as QuarantineInput) : null;
  return record
    ? { key: record.key, value: record.value, headers: record.headers, from: 'input' }
    : undefined;
}

/** `(event, record)`, unless it has continued as new with arguments of its own. */
function ofHandler(
  [event, given]: readonly unknown[],
  { topic, partition, offset }: NotedRecord,
  verbatim: boolean,
): OriginalRecord | undefined {
  if (!isObject(given)) return undefined;
  const record = given as Partial<RecordInfo>;
  if (record.topic !== topic || record.partition !== partition || record.offset !== offset) return undefined;
  return {
    key: typeof record.key === 'string' ? bytesOfText(record.key) : null,
    value: valueOf(event, verbatim),
    headers: headersOf(record.headers ?? {}),
    from: 'input',
  };
}

function valueOf(event: unknown, verbatim: boolean): Buffer | null {
  if (event === null || event === undefined) return null;
  if (event instanceof Uint8Array) return Buffer.from(event);
  return Buffer.from(verbatim && typeof event === 'string' ? event : JSON.stringify(event));
}

function headersOf(headers: RecordInfo['headers']): RawHeaders {
  const raw = Object.create(null) as Record<string, Buffer | readonly Buffer[]>;
  for (const [name, value] of Object.entries(headers))
    raw[name] = typeof value === 'string' ? bytesOfText(value) : value.map(bytesOfText);
  return raw;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
