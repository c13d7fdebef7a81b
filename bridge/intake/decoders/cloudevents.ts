import { textOf } from '../../record.js';
import type { RawHeaders } from '../../record.js';
import { headerText } from '../header-text.js';
import { undecodable } from './decoder.js';
import { decodeJson } from './json.js';

/**
 * CloudEvents 1.0 in Kafka: in binary mode the attributes are `ce_*` headers and the value is the data; in structured
 * mode the value is the whole event, as JSON.
 */

/** What names a CloudEvent: two events with the same source and ID are the same event. */
export interface CloudEventIdentity {
  readonly source: string | undefined;
  readonly id: string | undefined;
  readonly type: string | undefined;
}

const PREFIX = 'ce_';
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;
const ANY_CLOUD_EVENT = 'application/cloudevents';
const STRUCTURED = 'application/cloudevents+json';

interface ContentType {
  /** Lower case, without parameters. */
  readonly essence: string;
  readonly charset: string | undefined;
}

function contentTypeOf(headers: RawHeaders): ContentType | undefined {
  const text = headerText(headers, 'content-type') ?? headerText(headers, `${PREFIX}datacontenttype`);
  if (text === undefined) return undefined;
  const [essence = '', ...parameters] = text.split(';').map((part) => part.trim());
  const charset = parameters.find((one) => /^charset=/i.test(one))?.slice('charset='.length);
  return { essence: essence.toLowerCase(), charset: charset?.replace(/^"(.*)"$/, '$1') };
}

/** Whether the headers say that the value is a whole CloudEvent, in JSON. */
export function isStructuredCloudEvent(headers: RawHeaders): boolean {
  return contentTypeOf(headers)?.essence === STRUCTURED;
}

/**
 * The identity of a CloudEvent, whatever decoder its route has: from the event in structured mode, else from the
 * headers. In binary mode `event` isn't looked at. What isn't a CloudEvent has no source, no ID and no type.
 */
export function cloudEventOf(record: { readonly headers: RawHeaders }, event?: unknown): CloudEventIdentity {
  const { headers } = record;
  const attribute = isStructuredCloudEvent(headers)
    ? (name: string) => ownText(event, name)
    : (name: string) => headerText(headers, PREFIX + name);
  return { source: attribute('source'), id: attribute('id'), type: attribute('type') };
}

/**
 * A CloudEvent's key: `<source>#<id>`, with every `%` and `#` of the source as `%25` and `%23`. So the first `#` ends the
 * source, and two different pairs never make one key; an ordinary source stays as readable as it was.
 */
export function cloudEventKey(identity: CloudEventIdentity): string | undefined {
  if (identity.source === undefined || identity.id === undefined) return undefined;
  const source = identity.source.replace(/[%#]/g, (character) => (character === '%' ? '%25' : '%23'));
  return `${source}#${identity.id}`;
}

/** The CloudEvent as an object `{ specversion, id, source, type, ..., data }`, in both modes. */
export function decodeCloudEvent(value: Buffer, context: { readonly headers: RawHeaders }): unknown {
  const contentType = contentTypeOf(context.headers);
  if (contentType?.essence === STRUCTURED) return decodeStructured(value);
  if (contentType?.essence.startsWith(ANY_CLOUD_EVENT)) {
    throw undecodable(`Expected a CloudEvent as ${STRUCTURED} or in binary mode, got ${contentType.essence}`);
  }
  return decodeBinary(value, context.headers, contentType);
}

function decodeStructured(value: Buffer): unknown {
  const event = decodeJson(value);
  const missing = REQUIRED.filter((name) => ownText(event, name) === undefined);
  if (missing.length > 0)
    throw undecodable(`Expected a CloudEvent, got a value without \`${missing.join('`, `')}\``);
  return event;
}

function decodeBinary(value: Buffer, headers: RawHeaders, contentType: ContentType | undefined): unknown {
  const missing = REQUIRED.filter((name) => headerText(headers, PREFIX + name) === undefined);
  if (missing.length > 0) {
    throw undecodable(
      `Expected a CloudEvent, got a record without the header \`${missing.map((one) => PREFIX + one).join('`, `')}\``,
    );
  }
  const attributes = Object.keys(headers)
    .filter((name) => name.startsWith(PREFIX) && name.length > PREFIX.length)
    .map((name) => [name.slice(PREFIX.length), headerText(headers, name)] as const)
    .filter(([name, text]) => text !== undefined && name !== 'data' && name !== 'data_base64');
  // `fromEntries` defines properties: a header called `ce___proto__` is one more attribute, and no prototype.
  return Object.fromEntries<unknown>([
    ...attributes,
    ...(contentType
      ? [['datacontenttype', headerText(headers, 'content-type') ?? contentType.essence] as const]
      : []),
    ...decodeData(value, contentType),
  ]);
}

/** `data` as JSON or text; other bytes as `data_base64`, as in the JSON format. Data is optional: an empty value is none. */
function decodeData(
  value: Buffer,
  contentType: ContentType | undefined,
): readonly (readonly [string, unknown])[] {
  if (value.length === 0) return [];
  const essence = contentType?.essence ?? 'application/json';
  if (/^(?:application|text)\/json$|\+json$/.test(essence)) return [['data', decodeJson(value)]];
  if (/^text\/|^application\/xml$|\+xml$/.test(essence)) {
    return [['data', decodeCharset(value, contentType?.charset ?? 'utf-8')]];
  }
  return [['data_base64', value.toString('base64')]];
}

function decodeCharset(value: Buffer, charset: string): string {
  let decoder: InstanceType<typeof TextDecoder>;
  try {
    decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: true });
  } catch {
    throw undecodable(`Expected a known charset, got ${JSON.stringify(charset.slice(0, 100))}`);
  }
  try {
    return decoder.decode(value);
  } catch {
    throw undecodable(`Expected text in ${decoder.encoding}, got other bytes`);
  }
}

/** As a header's text would be, so that an event has the same key in both modes. */
function ownText(event: unknown, name: string): string | undefined {
  if (typeof event !== 'object' || event === null || !Object.hasOwn(event, name)) return undefined;
  const value = (event as Record<string, unknown>)[name];
  return typeof value === 'string' && value !== '' ? textOf(Buffer.from(value, 'utf8')) : undefined;
}
