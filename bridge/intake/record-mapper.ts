import type { QuarantineReason, RecordInfo } from '../../workflows/contract.js';
import type { ResolvedConfig, ResolvedRoute } from '../config/resolved.js';
import { topicMatcher, wholeTopic } from '../config/topic-pattern.js';
import type { Priority } from '../config/types.js';
import { recordInfo, textOf } from '../record.js';
import type { SourceRecord } from '../record.js';
import { cloudEventOf, isStructuredCloudEvent } from './decoders/cloudevents.js';
import { DecoderPool } from './decoders/index.js';
import type { Decoder } from './decoders/index.js';
import { createDueTimeReader, tooOldMessage } from './due-time.js';
import type { DueTimeReader } from './due-time.js';
import { EventReader } from './event-reader.js';
import { createFairnessKeyReader, type FairnessKeyReader } from './fairness-key.js';
import { headerText } from './header-text.js';
import { createKeyReader, headerKey, isPromise, keyResult } from './idempotency-key.js';
import type { KeyReader } from './idempotency-key.js';
import { compilePointer } from './json-pointer.js';
import type { JsonPointer } from './json-pointer.js';
import type { MappedRecord, RecordKey } from './mapped-record.js';
import { oneLine, thrownText } from './one-line.js';
import { createPriorityForecast, createPriorityReader } from './record-priority.js';
import { createTargetReader } from './target-id.js';
import type { TargetReader } from './target-id.js';

const EVENT_TYPE_HEADER = 'event-type';

/** Finds a record's route, event, key and priority. */
export interface RecordMapper {
  /**
   * A record's own fault is an outcome, never an exception.
   *
   * @param decided what somebody has decided about this record: another idempotency key than its own
   * @throws BridgeError with `retryable` where the fault is systemic (the schema registry is away)
   */
  map(record: SourceRecord, decided?: { readonly key?: string }): Promise<MappedRecord>;
  /** Its priority, where that can be told without decoding it. */
  priorityOf(record: SourceRecord): Priority | undefined;
}

interface PreparedRoute {
  readonly route: ResolvedRoute;
  readonly takesTopic: (topic: string) => boolean;
  readonly decoder: Decoder;
  readonly typePointer: JsonPointer | undefined;
  readonly readKey: KeyReader;
  readonly readDueTime: DueTimeReader;
  readonly readTarget: TargetReader;
  readonly readPriority: (record: SourceRecord) => Priority;
  readonly readFairnessKey: FairnessKeyReader;
}

/** A route's event type for a record, or why the record that would have told it can't be read. */
type TypeResult =
  { readonly ok: true; readonly type: string | undefined } | { readonly ok: false; readonly message: string };

/** @param onBad told once a route of what is wrong in its records' headers, and changes nothing */
export function createRecordMapper(
  config: Pick<ResolvedConfig, 'routes' | 'onUnrouted'>,
  now: () => number = Date.now,
  onBad: (message: string) => void = () => undefined,
): RecordMapper {
  const decoders = new DecoderPool();
  const routes = config.routes.map((route): PreparedRoute => ({
    route,
    takesTopic: topicMatcher(route.topic),
    decoder: decoders.decoderOf(route.decoder),
    typePointer: route.eventTypeFrom === undefined ? undefined : compilePointer(route.eventTypeFrom),
    readKey: createKeyReader(route),
    readDueTime: createDueTimeReader(route),
    readTarget: createTargetReader(route),
    readPriority: createPriorityReader(route, onBad),
    readFairnessKey: createFairnessKeyReader(route, onBad),
  }));
  const routesOf = (topic: string) => routes.filter((one) => one.takesTopic(topic));

  return {
    priorityOf: createPriorityForecast((topic) => routesOf(topic).map(({ route }) => route)),
    async map(record, decided = {}) {
      if (record.undecodable !== undefined)
        return quarantine(record, undefined, 'undecodable', record.undecodable);
      const events = new EventReader(record);
      const ofTopic = routesOf(record.topic);
      for (const prepared of ofTopic) {
        const { eventTypes } = prepared.route;
        const found = await eventTypeOf(prepared, record, events);
        if (!found.ok) return quarantine(record, undefined, 'undecodable', found.message);
        if (eventTypes !== undefined && (found.type === undefined || !eventTypes.has(found.type))) continue;
        const read = await events.read(prepared.decoder);
        if (!read.ok) return quarantine(record, undefined, 'undecodable', read.message);
        return take(prepared, record, read.event, found.type, now(), decided.key);
      }
      if (config.onUnrouted === 'ignore') return { kind: 'filtered', source: record, route: undefined };
      return quarantine(
        record,
        undefined,
        'unroutable',
        await unroutedMessage(record, ofTopic.at(-1), events),
      );
    },
  };
}

/** The topics and patterns that the routes need, each once. Patterns are as they are used: for the whole name. */
export function topicsOf(routes: readonly Pick<ResolvedRoute, 'topic'>[]): readonly (string | RegExp)[] {
  const topics = new Map<string, string | RegExp>();
  for (const { topic } of routes) {
    const used = typeof topic === 'string' ? topic : wholeTopic(topic);
    topics.set(`${typeof used} ${String(used)}`, used);
  }
  return [...topics.values()];
}

/** By the route's pointer alone where it has one; else by header, `ce_type`, or a structured CloudEvent's `type`. */
async function eventTypeOf(
  route: PreparedRoute,
  record: SourceRecord,
  events: EventReader,
): Promise<TypeResult> {
  if (route.typePointer === undefined) {
    const header = headerText(record.headers, EVENT_TYPE_HEADER) ?? headerText(record.headers, 'ce_type');
    if (header !== undefined || !isStructuredCloudEvent(record.headers)) return { ok: true, type: header };
  }
  const read = await events.read(route.decoder);
  if (!read.ok) return read;
  const type = route.typePointer ? route.typePointer(read.event) : cloudEventOf(record, read.event).type;
  if (typeof type === 'number') return { ok: true, type: String(type) };
  const isType = typeof type === 'string' && type !== '';
  return { ok: true, type: isType ? textOf(Buffer.from(type, 'utf8')) : undefined };
}

function take(
  prepared: PreparedRoute,
  record: SourceRecord,
  event: unknown,
  type: string | undefined,
  nowMs: number,
  decidedKey: string | undefined,
): MappedRecord {
  const { route } = prepared;
  const given =
    decidedKey === undefined
      ? prepared.readKey(record, event, recordInfo(record, type, headerKey(record)))
      : keyResult('header', decidedKey);
  const text = given.kind === 'key' ? given.key.text : undefined;
  const info = recordInfo(record, type, text);

  // The filter first: a record that is passed by needs no key.
  const verdict = applyFilter(route, event, info);
  if (verdict === false) return { kind: 'filtered', source: record, route };
  if (typeof verdict === 'string') return quarantine(record, route, 'rejected', verdict);

  const due = prepared.readDueTime(record, event, info, nowMs);
  if (!due.ok) return quarantine(record, route, 'invalid-delay', due.message);
  const tooOld = tooOldMessage(record, route, due.at, nowMs);
  if (tooOld !== undefined) {
    return route.onExpired === 'quarantine'
      ? quarantine(record, route, 'expired', tooOld)
      : { kind: 'expired', source: record, route, message: tooOld };
  }

  if (given.kind === 'invalid') return quarantine(record, route, 'invalid-key', given.message);
  if (given.kind === 'missing' && route.missingKey === 'quarantine') {
    return quarantine(
      record,
      route,
      'missing-key',
      `Expected an idempotency key (${keyPlaces(route)}), got none`,
    );
  }
  const target = prepared.readTarget(event, info);
  if (!target.ok) return quarantine(record, route, 'invalid-target', target.message);
  const fairnessKey = prepared.readFairnessKey(record, event, info);
  const key: RecordKey = given.kind === 'key' ? given.key : { source: 'coordinates', text: undefined };
  return {
    kind: 'deliver',
    source: record,
    route,
    event,
    info,
    key,
    priority: prepared.readPriority(record),
    ...(fairnessKey === undefined ? {} : { fairnessKey }),
    notBeforeMs: due.at,
    targetId: target.id,
  };
}

/** Whether the record passes, or what is wrong with the filter. What is neither true nor false decides nothing. */
function applyFilter(route: ResolvedRoute, event: unknown, info: RecordInfo): boolean | string {
  if (route.filter === undefined) return true;
  let verdict: unknown;
  try {
    verdict = route.filter(event, info);
  } catch (error) {
    return `The route's filter failed: ${thrownText(error)}`;
  }
  if (typeof verdict === 'boolean') return verdict;
  if (isPromise(verdict))
    return "Expected the route's filter to give true or false, got a promise: it must be synchronous";
  return `Expected the route's filter to give true or false, got ${verdict === null ? 'null' : typeof verdict}`;
}

function keyPlaces(route: ResolvedRoute): string {
  if (typeof route.key === 'string') return `at ${JSON.stringify(route.key)} in the event`;
  return route.key === undefined
    ? 'header `idempotency-key`, or a CloudEvent'
    : "from the route's key function";
}

async function unroutedMessage(
  record: SourceRecord,
  last: PreparedRoute | undefined,
  events: EventReader,
): Promise<string> {
  const topic = JSON.stringify(record.topic);
  if (last === undefined) return `No route takes the topic ${topic}`;
  // All routes of the topic have refused the type; the last one's is named. It has been read, so this costs nothing.
  const found = await eventTypeOf(last, record, events);
  const type = found.ok ? found.type : undefined;
  if (type === undefined) return `No route takes a record without an event type from the topic ${topic}`;
  return `No route takes the event type ${JSON.stringify(oneLine(type, 200))} from the topic ${topic}`;
}

function quarantine(
  record: SourceRecord,
  route: ResolvedRoute | undefined,
  reason: QuarantineReason,
  message: string,
): MappedRecord {
  return { kind: 'quarantine', source: record, route, reason, message: oneLine(message) };
}
