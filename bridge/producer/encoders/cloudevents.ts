import { unencodable, type Encoded } from './encoder.js';
import { jsonBytes } from './simple.js';

const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;
const DATA = new Set(['data', 'data_base64', 'datacontenttype']);
const JSON_TYPE = /^(?:application|text)\/json(?:;|$)|\+json(?:;|$)/;
const TEXT_TYPE = /^text\/|^application\/xml(?:;|$)|\+xml(?:;|$)/;
const CHARSET = /;\s*charset="?([^";]+)/i;

/** CloudEvents 1.0 in binary mode: attributes as `ce_*` headers, data as the value; what `decodeCloudEvent` reads back. */
export function encodeCloudEvent(event: unknown): Encoded {
  if (typeof event !== 'object' || event === null)
    throw unencodable(`Expected a CloudEvent, got ${typeof event}`);
  const attributes = event as Readonly<Record<string, unknown>>;
  const missing = REQUIRED.filter((name) => typeof attributes[name] !== 'string' || attributes[name] === '');
  if (missing.length > 0) {
    throw unencodable(`Expected a CloudEvent, got a value without \`${missing.join('`, `')}\``);
  }
  const headers = Object.keys(attributes)
    .filter((name) => !DATA.has(name) && attributes[name] !== undefined && attributes[name] !== null)
    .map((name) => [`ce_${name}`, Buffer.from(String(attributes[name]))] as const);
  const { value, contentType } = dataOf(attributes);
  return {
    value,
    headers: contentType === undefined ? headers : [...headers, ['content-type', Buffer.from(contentType)]],
    eventType: attributes['type'] as string,
  };
}

function dataOf({ data, data_base64: base64, datacontenttype: given }: Readonly<Record<string, unknown>>): {
  readonly value: Buffer;
  readonly contentType: string | undefined;
} {
  const contentType = typeof given === 'string' ? given : undefined;
  if (typeof base64 === 'string') {
    return {
      value: Buffer.from(base64, 'base64'),
      contentType: contentType ?? 'application/octet-stream',
    };
  }
  if (data === undefined) return { value: Buffer.alloc(0), contentType };
  if (data instanceof Uint8Array)
    return { value: Buffer.from(data), contentType: contentType ?? 'application/octet-stream' };
  if (contentType === undefined || JSON_TYPE.test(contentType))
    return { value: jsonBytes(data), contentType: contentType ?? 'application/json' };
  if (typeof data !== 'string' || !TEXT_TYPE.test(contentType))
    throw unencodable(`Expected data as ${contentType} to be a string of text, or bytes, got ${typeof data}`);
  const charset = CHARSET.exec(contentType)?.[1] ?? 'utf-8';
  if (!/^utf-?8$/i.test(charset)) throw unencodable(`Expected text in UTF-8, got the charset ${charset}`);
  return { value: Buffer.from(data), contentType };
}
