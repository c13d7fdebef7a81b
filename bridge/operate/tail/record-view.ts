import type { ResolvedConfig, ResolvedRoute } from '../../config/resolved.js';
import { topicMatcher } from '../../config/topic-pattern.js';
import { DecoderPool, type Decoder } from '../../intake/decoders/index.js';
import { EventReader } from '../../intake/event-reader.js';
import { headerText } from '../../intake/header-text.js';
import { headerKey } from '../../intake/idempotency-key.js';
import type { MappedRecord } from '../../intake/mapped-record.js';
import { thrownText } from '../../intake/one-line.js';
import { createRecordMapper } from '../../intake/record-mapper.js';
import type { RawHeaders, SourceRecord } from '../../record.js';
import { utf8Text } from '../../utf8.js';

/** A record as it is shown. */
export interface RecordView {
  readonly record: SourceRecord;
  /** What the bridge makes of it. Undefined: there is no configuration, or a schema registry is away. */
  readonly mapped: MappedRecord | undefined;
  /** What was decoded; undefined where `error` says why it can't be, or its bytes are no text. */
  readonly event: unknown;
  /** Where the value is JSON in one line: as it stands there, since its numbers may be larger than JavaScript's. */
  readonly json: string | undefined;
  readonly eventType: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly route: string | undefined;
  /** Why it is a bad record: undecodable, without a route, with a key that can't be. */
  readonly error: string | undefined;
}

/** Shows records as the bridge sees them; without a configuration, or a route, JSON and text. A bad record throws nothing. */
export function createRecordViewer(
  config: ResolvedConfig | undefined,
): (record: SourceRecord) => Promise<RecordView> {
  const mapper = config && createRecordMapper(config);
  const decoders = new DecoderPool();
  const routes = (config?.routes ?? []).map((route) => ({ route, takes: topicMatcher(route.topic) }));
  const routeOf = (record: SourceRecord, mapped: MappedRecord | undefined): ResolvedRoute | undefined =>
    mapped?.route ?? routes.find(({ takes }) => takes(record.topic))?.route;

  return async (record) => {
    let mapped: MappedRecord | undefined;
    let error: string | undefined;
    try {
      mapped = await mapper?.map(record);
    } catch (away) {
      error = thrownText(away);
    }
    const option = routeOf(record, mapped)?.decoder;
    const decoded = await decodedBy(option === undefined ? anything : decoders.decoderOf(option), record);
    const info = mapped?.kind === 'deliver' ? mapped.info : undefined;
    return {
      record,
      mapped,
      event: decoded.event,
      json: option === undefined || option === 'json' ? jsonText(record.value, decoded.event) : undefined,
      eventType:
        info?.eventType ?? headerText(record.headers, 'event-type') ?? headerText(record.headers, 'ce_type'),
      idempotencyKey: info?.idempotencyKey ?? headerKey(record),
      route: mapped?.route?.id,
      error: (mapped?.kind === 'quarantine' ? mapped.message : undefined) ?? error ?? decoded.error,
    };
  };
}

async function decodedBy(
  decoder: Decoder,
  record: SourceRecord,
): Promise<{ readonly event: unknown; readonly error: string | undefined }> {
  if (record.undecodable !== undefined) return { event: undefined, error: record.undecodable };
  try {
    const read = await new EventReader(record).read(decoder);
    return read.ok ? { event: read.event, error: undefined } : { event: undefined, error: read.message };
  } catch (away) {
    return { event: undefined, error: thrownText(away) };
  }
}

/** JSON, else text, else nothing. */
function anything(value: Buffer): unknown {
  const text = utf8Text(value);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function jsonText(value: Buffer | null, event: unknown): string | undefined {
  const text = value === null || event === undefined ? undefined : utf8Text(value);
  if (text === undefined || /[\r\n]/.test(text)) return undefined;
  try {
    JSON.parse(text);
    return text.trim();
  } catch {
    return undefined;
  }
}

/** Headers as text, and those that are none as base64: each value once. */
export function headersOf(headers: RawHeaders): {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly headersBase64?: Readonly<Record<string, string | readonly string[]>>;
} {
  const text = Object.create(null) as Record<string, string | readonly string[]>;
  const base64 = Object.create(null) as Record<string, string | readonly string[]>;
  for (const name of Object.keys(headers)) {
    const values = ([] as Buffer[]).concat(headers[name] as Buffer | Buffer[]);
    const texts = values.map(utf8Text);
    const [one, into] = texts.every((each) => each !== undefined)
      ? [texts as string[], text]
      : [values.map((each) => each.toString('base64')), base64];
    into[name] = one.length === 1 ? one[0]! : one;
  }
  return { headers: text, ...(Object.keys(base64).length === 0 ? {} : { headersBase64: base64 }) };
}
