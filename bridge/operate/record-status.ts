import type { ResolvedConfig } from '../config/resolved.js';
import { configuredLink } from '../observe/ui-link.js';
import { keyHash, MAX_ID_BYTES, quarantineWorkflowId, recordWorkflowId } from '../temporal/ids.js';
import type { InspectedExecution, OperatorPort, PendingActivity } from '../temporal/operator-port.js';
import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import { reasonOfFailure } from './failure-reason.js';
import type { KafkaPlace, KafkaView } from '../intake/kafka-view.js';
import { notedRecordOf } from './record-memo.js';
import { resetPointOf } from './reset-point.js';
import { quoted } from './visibility-query.js';
import type { RecordMapper } from '../intake/record-mapper.js';
import type { SourceRecord } from '../record.js';

export type RecordState = 'running' | 'completed' | 'failed' | 'canceled' | 'quarantined' | 'unknown';

/** What became of a record. */
export interface RecordStatus {
  readonly state: RecordState;
  /** What was asked for. */
  readonly asked: string;
  readonly key: string | null;
  readonly workflowId: string | undefined;
  readonly runId: string | undefined;
  readonly workflowType: string | undefined;
  readonly route: string | undefined;
  /** Epoch milliseconds. */
  readonly startedAt: number | undefined;
  readonly closedAt: number | undefined;
  /** What the workflow gave, where it completed. */
  readonly result: unknown;
  /** Why it failed, or stands in quarantine. */
  readonly reason: string | undefined;
  readonly errorType: string | undefined;
  /** Calls of the step that runs, or that ran last. */
  readonly attempts: number | undefined;
  readonly pendingActivities: readonly PendingActivity[];
  /** Where it failed: the event to reset to. */
  readonly resetEvent: number | undefined;
  readonly kafka: KafkaPlace | undefined;
  readonly link: string | undefined;
  /** Other executions that the same key or place has: a conflict in quarantine, another route. */
  readonly others: readonly RecordStatus[];
}

export interface StatusSources {
  readonly port: OperatorPort;
  readonly kafka: KafkaView;
  readonly mapper: RecordMapper;
  /** Search attributes that the namespace has. */
  readonly searchAttributes: () => Promise<ReadonlySet<string>>;
}

/** `topic/partition/offset`. */
const PLACE = /^([A-Za-z0-9._-]{1,249})\/(\d+)\/(\d+)$/;

/**
 * What became of the record with this key, or at this place (`topic/partition/offset`); a workflow's ID is taken too.
 * @throws TemporalFault
 */
export async function recordStatus(
  sources: StatusSources,
  config: ResolvedConfig,
  asked: string,
): Promise<RecordStatus> {
  const found: RecordStatus[] = [];
  for (const execution of await executionsOf(sources, config, asked))
    found.push(await statusOf(sources, config, asked, execution));
  // What was handled before what only stands aside.
  found.sort((a, b) => Number(a.state === 'quarantined') - Number(b.state === 'quarantined'));
  const [first, ...others] = found;
  return first ? { ...first, others } : unknownOf(asked, await placeOf(sources.kafka, asked));
}

/** The executions that a key, a place or a workflow ID may mean: their current runs. @throws TemporalFault */
export async function executionsOf(
  sources: StatusSources,
  config: ResolvedConfig,
  asked: string,
): Promise<readonly InspectedExecution[]> {
  const ids = new Set([
    ...idsOfKey(config, asked),
    ...(await idsOfPlace(sources, config, asked)),
    ...(await idsBySearch(sources, config, asked)),
  ]);
  const found = await Promise.all([...ids].map((id) => sources.port.inspect(id)));
  // An ID that is somebody else's is no record of ours.
  return found.filter(
    (one): one is InspectedExecution =>
      one !== undefined && notedRecordOf(one.memo).subscription === config.name,
  );
}

function idsOfKey(config: ResolvedConfig, key: string): string[] {
  const nowhere = { topic: '', partition: 0, offset: 0n, timestampMs: 0 };
  const header = recordWorkflowId(config, '', { source: 'header', text: key }, nowhere);
  const ofRoutes = config.routes.map(({ id }) =>
    recordWorkflowId(config, id, { source: 'route', text: key }, nowhere),
  );
  // No ID of ours is longer, and the server refuses to look for one over 1,000 bytes.
  const itself = Buffer.byteLength(key) <= MAX_ID_BYTES ? [key] : [];
  return [header, ...ofRoutes, ...itself];
}

/** By the log itself, so that it needs no search attribute: the record is read and mapped again. */
async function idsOfPlace(sources: StatusSources, config: ResolvedConfig, asked: string): Promise<string[]> {
  const record = await recordAt(sources.kafka, asked);
  if (!record) return [];
  const ids = [quarantineWorkflowId(config, record)];
  const mapped = await sources.mapper.map(record).catch(() => undefined);
  if (mapped?.kind === 'deliver') ids.unshift(recordWorkflowId(config, mapped.route.id, mapped.key, record));
  return ids;
}

async function recordAt(kafka: KafkaView, asked: string): Promise<SourceRecord | undefined> {
  const [, topic, partition, offset] = PLACE.exec(asked) ?? [];
  if (topic === undefined || partition === undefined || offset === undefined) return undefined;
  const from = BigInt(offset);
  try {
    for await (const record of kafka.read({ topic, partition: Number(partition), from, to: from + 1n }))
      return record;
  } catch {
    // Kafka is away, or has no such record: the search attributes may know more.
  }
  return undefined;
}

async function idsBySearch(sources: StatusSources, config: ResolvedConfig, asked: string): Promise<string[]> {
  const known = await sources.searchAttributes();
  const queries = [
    ...(PLACE.test(asked) && known.has('KtbRecord') ? [`KtbRecord = ${quoted(asked)}`] : []),
    ...(known.has('KtbKey') && config.keySearchAttribute !== 'off'
      ? [`KtbKey = ${quoted(config.keySearchAttribute === 'hash' ? keyHash(asked) : asked)}`]
      : []),
  ];
  const ids: string[] = [];
  for (const query of queries)
    for await (const { workflowId } of sources.port.list(query)) ids.push(workflowId);
  return ids;
}

async function statusOf(
  sources: StatusSources,
  config: ResolvedConfig,
  asked: string,
  execution: InspectedExecution,
): Promise<RecordStatus> {
  const { port, kafka } = sources;
  const { workflowId, runId, workflowType } = execution;
  const { key, route, topic, partition, offset } = notedRecordOf(execution.memo);
  const closing = await port.closing(workflowId, runId);
  const history = await port.events(workflowId, runId);
  const failure = closing.kind === 'failed' ? reasonOfFailure(closing.error) : undefined;
  const quarantined = workflowType === QUARANTINE_WORKFLOW && closing.kind !== 'completed';
  return {
    state: quarantined ? 'quarantined' : stateOf(execution),
    asked,
    key,
    workflowId,
    runId,
    workflowType,
    route: route || undefined,
    startedAt: execution.startedAt,
    closedAt: execution.closedAt,
    result: closing.kind === 'completed' ? closing.result : undefined,
    reason: failure?.message,
    errorType: failure?.type,
    attempts: execution.pendingActivities[0]?.attempt ?? lastAttempt(history),
    pendingActivities: execution.pendingActivities,
    resetEvent: failure && resetPointOf(history, 'failing-step', failure.resetEvent)?.eventId,
    kafka: await kafka.place({ topic, partition, offset }),
    link: configuredLink(config, workflowId, runId),
    others: [],
  };
}

function stateOf({ status }: InspectedExecution): RecordState {
  switch (status) {
    case 'completed':
      return 'completed';
    case 'failed':
    case 'timedOut':
    case 'terminated':
      return 'failed';
    case 'canceled':
      return 'canceled';
    default:
      return 'running';
  }
}

function lastAttempt(history: Awaited<ReturnType<OperatorPort['events']>>): number | undefined {
  const started = (history.events ?? []).findLast((event) => event.activityTaskStartedEventAttributes);
  return started?.activityTaskStartedEventAttributes?.attempt ?? undefined;
}

async function placeOf(kafka: KafkaView, asked: string): Promise<KafkaPlace | undefined> {
  const [, topic, partition, offset] = PLACE.exec(asked) ?? [];
  return topic === undefined || offset === undefined
    ? undefined
    : kafka.place({ topic, partition: Number(partition), offset });
}

function unknownOf(asked: string, kafka: KafkaPlace | undefined): RecordStatus {
  return {
    state: 'unknown',
    asked,
    key: null,
    workflowId: undefined,
    runId: undefined,
    workflowType: undefined,
    route: undefined,
    startedAt: undefined,
    closedAt: undefined,
    result: undefined,
    reason: undefined,
    errorType: undefined,
    attempts: undefined,
    pendingActivities: [],
    resetEvent: undefined,
    kafka,
    link: undefined,
    others: [],
  };
}
