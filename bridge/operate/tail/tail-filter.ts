import { compilePointer } from '../../intake/json-pointer.js';
import type { RawHeaders } from '../../record.js';
import { utf8Text } from '../../utf8.js';
import type { RecordView } from './record-view.js';

/** Which records are shown: those for which all of it holds. */
export interface TailFilter {
  /** The record key, or the idempotency key. */
  readonly key?: string;
  /** By name: the values that a header must have. */
  readonly headers?: Readonly<Record<string, readonly string[]>>;
  /** By JSON pointer: the values that must stand there, as text or JSON. */
  readonly where?: Readonly<Record<string, readonly string[]>>;
  readonly eventType?: string;
}

/** @throws SyntaxError where `where` has what is no JSON pointer */
export function tailFilter(filter: TailFilter): (view: RecordView) => boolean {
  const { key, headers = {}, where = {}, eventType } = filter;
  const pointers = Object.entries(where).map(([pointer, values]) => ({
    lookUp: compilePointer(pointer),
    values,
  }));
  const wanted = Object.entries(headers);
  return (view) => {
    const { record, event, idempotencyKey } = view;
    if (key !== undefined && idempotencyKey !== key && !is(record.key, key)) return false;
    if (eventType !== undefined && view.eventType !== eventType) return false;
    if (!wanted.every(([name, values]) => values.every((value) => hasHeader(record.headers, name, value))))
      return false;
    return pointers.every(({ lookUp, values }) => values.every((value) => isValue(lookUp(event), value)));
  };
}

function is(bytes: Buffer | null | undefined, text: string): boolean {
  return bytes !== null && bytes !== undefined && utf8Text(bytes) === text;
}

function hasHeader(headers: RawHeaders, name: string, value: string): boolean {
  if (!Object.hasOwn(headers, name)) return false;
  return ([] as Buffer[]).concat(headers[name] as Buffer | Buffer[]).some((one) => is(one, value));
}

/** `"5"` and `5` are both meant by `5`. */
function isValue(found: unknown, value: string): boolean {
  if (found === undefined) return false;
  return typeof found === 'string' ? found === value : JSON.stringify(found) === value;
}
