import { resolveConfig } from '../../bridge/config/resolve.js';
import type { ActivityRoute, BridgeConfig, Route } from '../../bridge/config/types.js';
import { createRecordMapper } from '../../bridge/intake/record-mapper.js';
import type { DeliverableRecord, MappedRecord } from '../../bridge/intake/mapped-record.js';
import type { RawHeaders, SourceRecord } from '../../bridge/record.js';

export interface RecordFields {
  readonly topic?: string;
  readonly key?: Buffer | string | null;
  /** An object is written as JSON. */
  readonly value?: unknown;
  readonly headers?: Readonly<Record<string, string | Buffer | readonly Buffer[]>>;
}

export function record(fields: RecordFields = {}): SourceRecord {
  const { topic = 'orders', key = null, value = {}, headers = {} } = fields;
  const bytes = (one: unknown): Buffer =>
    Buffer.isBuffer(one) ? one : Buffer.from(typeof one === 'string' ? one : JSON.stringify(one));
  const rawHeaders: RawHeaders = Object.fromEntries(
    Object.entries(headers).map(([name, header]) => [
      name,
      typeof header === 'string' ? Buffer.from(header) : header,
    ]),
  );
  return {
    topic,
    partition: 3,
    offset: 42n,
    timestampMs: 1_700_000_000_000,
    key: key === null ? null : bytes(key),
    value: value === null ? null : bytes(value),
    headers: rawHeaders,
    sizeBytes: 100,
  };
}

/** Maps with these routes; `others` are the rest of the config. */
export function mapperOf(
  routes: readonly Route[],
  others: Partial<BridgeConfig> = {},
  now?: () => number,
  onBad?: (message: string) => void,
) {
  const config: BridgeConfig = {
    name: 'orders',
    kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
    temporal: { taskQueue: 'orders' },
    routes,
    ...others,
  };
  return createRecordMapper(resolveConfig(config, { baseDir: '/', env: {} }), now, onBad);
}

export function mapOne(
  routes: readonly Route[],
  fields: RecordFields,
  others: Partial<BridgeConfig> = {},
): Promise<MappedRecord> {
  return mapperOf(routes, others).map(record(fields));
}

/** A route of the topic `orders`, to an activity. */
export const route = (fields: Partial<ActivityRoute> = {}): Route => ({
  topic: 'orders',
  activity: 'handle',
  ...fields,
});

/** What has been mapped, which must be a delivery. */
export const delivered = (mapped: MappedRecord): DeliverableRecord => {
  if (mapped.kind !== 'deliver')
    throw new Error(`Expected a delivery, got ${JSON.stringify({ ...mapped, source: undefined })}`);
  return mapped;
};

export const routeOf = (mapped: MappedRecord): string | undefined => mapped.route?.id;

/** What has been decided, in a form to compare. */
export const verdict = (mapped: MappedRecord): unknown => {
  const said = mapped.kind === 'quarantine' ? { reason: mapped.reason, message: mapped.message } : {};
  return { kind: mapped.kind, route: routeOf(mapped), ...said };
};
