import { resolveConfig } from '../../../bridge/config/resolve.js';
import type { ResolvedRoute } from '../../../bridge/config/resolved.js';
import type { Route } from '../../../bridge/config/types.js';
import type { StartScope } from '../../../bridge/delivery/record-start.js';
import type {
  DeliverableRecord,
  FilteredRecord,
  PoisonRecord,
  RecordKey,
} from '../../../bridge/intake/mapped-record.js';
import { recordInfo, type SourceRecord } from '../../../bridge/record.js';

export function sourceRecord(fields: Partial<SourceRecord> = {}): SourceRecord {
  const value = fields.value === undefined ? Buffer.from('{"id":1}') : fields.value;
  return {
    topic: 'orders',
    partition: 0,
    offset: 0n,
    timestampMs: 1_700_000_000_000,
    key: null,
    headers: {},
    sizeBytes: value?.length ?? 0,
    ...fields,
    value,
  };
}

/** A route as the configuration gives it. @default a workflow route of the topic `orders`, called `placed` */
export function routeOf(fields: Partial<Route> = {}): ResolvedRoute {
  const route = {
    id: 'placed',
    topic: 'orders',
    ...('activity' in fields || 'signal' in fields || 'update' in fields
      ? {}
      : { workflow: 'nobodyRunsThis' }),
    ...fields,
  };
  const config = resolveConfig(
    {
      name: 'orders',
      kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
      temporal: { taskQueue: 'orders' },
      routes: [route as Route],
    },
    { baseDir: '/', env: {} },
  );
  return config.routes[0]!;
}

export const SCOPE: StartScope = {
  name: 'orders',
  idPrefix: '',
  taskQueue: 'orders',
  keySearchAttribute: 'plain',
};

export interface DeliverableFields {
  readonly source?: Partial<SourceRecord>;
  /** A header's key; `null` for none. */
  readonly key?: string | null;
  readonly route?: ResolvedRoute;
  readonly event?: unknown;
  readonly notBeforeMs?: number;
  readonly targetId?: string;
}

const ROUTE = routeOf();

export function deliverable(fields: DeliverableFields = {}): DeliverableRecord {
  const source = sourceRecord(fields.source);
  const text = fields.key === undefined ? `key-${source.offset}` : fields.key;
  const key: RecordKey =
    text === null ? { source: 'coordinates', text: undefined } : { source: 'header', text };
  return {
    kind: 'deliver',
    source,
    route: fields.route ?? ROUTE,
    event: fields.event === undefined ? { id: 1 } : fields.event,
    info: recordInfo(source, undefined, text ?? undefined),
    key,
    priority: 'medium',
    notBeforeMs: fields.notBeforeMs,
    targetId: fields.targetId,
  };
}

export function poison(
  fields: Partial<Omit<PoisonRecord, 'source'>> & { readonly source?: Partial<SourceRecord> } = {},
): PoisonRecord {
  return {
    kind: 'quarantine',
    route: undefined,
    reason: 'undecodable',
    message: 'it is not JSON',
    ...fields,
    source: sourceRecord(fields.source),
  };
}

export function filtered(source: Partial<SourceRecord> = {}): FilteredRecord {
  return { kind: 'filtered', source: sourceRecord(source), route: ROUTE };
}
