import type { ResolvedConfig } from '../config/resolved.js';
import type { KafkaView } from '../intake/kafka-view.js';
import type { MappedRecord } from '../intake/mapped-record.js';
import { configuredLink } from '../observe/ui-link.js';
import type { SourceRecord } from '../record.js';
import { quarantineWorkflowId, recordWorkflowId } from '../temporal/ids.js';
import type { InspectedExecution, OperatorPort } from '../temporal/operator-port.js';
import { reasonOfFailure } from './failure-reason.js';
import { notedRecordOf } from './record-memo.js';

/**
 * What has become of a record. `waiting`: the bridge has not got so far; `through`: it stood in quarantine, and went on or
 * was dropped; `unknown`: the bridge is past it, and Temporal knows nothing (any more): it was conflated, or is older than
 * the retention.
 */
export type OutcomeState =
  | 'waiting'
  | 'running'
  | 'completed'
  | 'failed'
  | 'canceled'
  | 'quarantined'
  | 'through'
  | 'duplicate'
  | 'foreign'
  | 'filtered'
  | 'expired'
  | 'unknown';

export interface RecordOutcome {
  readonly state: OutcomeState;
  readonly reason?: string;
  readonly workflowId?: string;
  readonly runId?: string;
  readonly link?: string;
  /** Of a duplicate: where the record stands that was handled, as `topic/partition/offset`. */
  readonly first?: string;
}

/** Nothing else becomes of it, unless somebody does something. */
export function isFinal({ state }: RecordOutcome): boolean {
  return state !== 'waiting' && state !== 'running';
}

export interface OutcomeSources {
  readonly port: Pick<OperatorPort, 'inspect' | 'closing'>;
  readonly kafka: Pick<KafkaView, 'place'>;
}

/**
 * What has become of a record that was read and mapped, as today's configuration does it: by the workflow ID that it has,
 * so that neither visibility nor a search attribute is needed.
 * @throws TemporalFault
 */
export async function outcomeOf(
  sources: OutcomeSources,
  config: ResolvedConfig,
  record: SourceRecord,
  mapped: MappedRecord,
): Promise<RecordOutcome> {
  if (mapped.kind === 'filtered') return { state: 'filtered' };
  if (mapped.kind === 'expired') return { state: 'expired', reason: mapped.message };
  if (mapped.kind === 'deliver') {
    const id = recordWorkflowId(config, mapped.route.id, mapped.key, record);
    const holder = await sources.port.inspect(id);
    if (holder && isOf(holder, config, record)) return handled(sources, config, holder);
    if (holder) return (await inQuarantine(sources, config, record)) ?? heldByAnother(config, holder);
  }
  return (await inQuarantine(sources, config, record)) ?? notSeen(sources, record);
}

function isOf({ memo }: InspectedExecution, config: ResolvedConfig, record: SourceRecord): boolean {
  const { subscription, topic, partition, offset } = notedRecordOf(memo);
  return (
    subscription === config.name &&
    topic === record.topic &&
    partition === record.partition &&
    offset === record.offset.toString()
  );
}

async function handled(
  sources: OutcomeSources,
  config: ResolvedConfig,
  execution: InspectedExecution,
): Promise<RecordOutcome> {
  const { status } = execution;
  const at = placeIn(config, execution);
  if (status === 'completed' || status === 'canceled') return { state: status, ...at };
  if (status === 'failed' || status === 'timedOut' || status === 'terminated')
    return { state: 'failed', reason: await reasonOf(sources, execution), ...at };
  const failure = execution.pendingActivities.find(
    ({ lastFailure }) => lastFailure !== undefined,
  )?.lastFailure;
  return { state: 'running', ...(failure === undefined ? {} : { reason: failure }), ...at };
}

async function inQuarantine(
  sources: OutcomeSources,
  config: ResolvedConfig,
  record: SourceRecord,
): Promise<RecordOutcome | undefined> {
  const found = await sources.port.inspect(quarantineWorkflowId(config, record));
  if (!found || !isOf(found, config, record)) return undefined;
  const at = placeIn(config, found);
  if (found.status === 'completed') return { state: 'through', ...at };
  const reason = found.status === 'running' ? undefined : await reasonOf(sources, found);
  return { state: 'quarantined', ...(reason === undefined ? {} : { reason }), ...at };
}

/** The ID is taken by another record of the same key, or by somebody else. */
function heldByAnother(config: ResolvedConfig, holder: InspectedExecution): RecordOutcome {
  const { subscription, topic, partition, offset } = notedRecordOf(holder.memo);
  const at = placeIn(config, holder);
  if (subscription !== config.name) return { state: 'foreign', ...at };
  return { state: 'duplicate', first: `${topic}/${partition}/${offset}`, ...at };
}

async function notSeen({ kafka }: OutcomeSources, record: SourceRecord): Promise<RecordOutcome> {
  const { topic, partition, offset } = record;
  const { committed } = await kafka.place({ topic, partition, offset: offset.toString() });
  return { state: committed ? 'unknown' : 'waiting' };
}

async function reasonOf(
  { port }: OutcomeSources,
  { workflowId, runId }: InspectedExecution,
): Promise<string> {
  const closing = await port.closing(workflowId, runId);
  if (closing.kind !== 'failed') return '';
  const { type, message } = reasonOfFailure(closing.error);
  return `${type}: ${message}`;
}

function placeIn(config: ResolvedConfig, { workflowId, runId }: InspectedExecution) {
  const link = configuredLink(config, workflowId, runId);
  return { workflowId, runId, ...(link === undefined ? {} : { link }) };
}
