/**
 * IDs. They are the dedupe entries: never change what these functions give (test/temporal/ids.test.ts freezes them).
 */
import { createHash } from 'node:crypto';
import type { RecordKey } from '../intake/mapped-record.js';
import type { Coordinates } from '../record.js';

/** What Temporal's narrowest stores take (VARCHAR(255) on PostgreSQL and MySQL), whatever a server allows. */
export const MAX_ID_BYTES = 255;

/** Our own IDs begin with it; no key may. */
export const OWN_PREFIX = 'ktb/';

const KEPT_BYTES = 180;

/** At most 255 bytes of UTF-8: what is longer keeps its first 180 bytes, cut at a character, `~`, and its SHA-256. */
export function boundedId(id: string): string {
  const bytes = Buffer.from(id, 'utf8');
  if (bytes.length <= MAX_ID_BYTES) return id;
  let end = KEPT_BYTES;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--; // never inside a character
  return `${bytes.toString('utf8', 0, end)}~${createHash('sha256').update(bytes).digest('hex')}`;
}

/** `<topic>/<partition>/<offset>@<timestamp>`: a redelivery has the same, a topic made anew has not. */
export function coordinatesText(at: Coordinates): string {
  return `${at.topic}/${at.partition}/${at.offset}@${at.timestampMs}`;
}

/** What names an execution: the subscription, its prefix, and the route that took the record. */
export interface IdScope {
  readonly name: string;
  readonly idPrefix: string;
}

/** The workflow ID of a record: its key, verbatim for a header; under its route for every other source. */
export function recordWorkflowId(scope: IdScope, routeId: string, key: RecordKey, at: Coordinates): string {
  switch (key.source) {
    case 'header':
      return boundedId(`${scope.idPrefix}${key.text}`);
    case 'route':
    case 'cloudevent':
      return boundedId(`${scope.idPrefix}${routeId}/${key.text}`);
    case 'coordinates':
      return boundedId(`${OWN_PREFIX}${scope.name}/record/${coordinatesText(at)}`);
  }
}

/** The workflow ID of a record in quarantine. */
export function quarantineWorkflowId(scope: Pick<IdScope, 'name'>, at: Coordinates): string {
  return boundedId(`${OWN_PREFIX}${scope.name}/quarantine/${coordinatesText(at)}`);
}

/** What `ktb doctor` starts and deletes again. No dedupe entry: only its beginning is ours to keep apart. */
export function probeWorkflowId(scope: Pick<IdScope, 'name'>, random: string): string {
  return `${OWN_PREFIX}${scope.name}/probe/${random}`;
}

/** The schedule in which stands up to when the subscription's dead letters are published. No dedupe entry. */
export function cursorScheduleId(scope: Pick<IdScope, 'name'>): string {
  return `${OWN_PREFIX}${scope.name}/dead-letters`;
}

function hash(bits: number, ...parts: readonly (string | Buffer)[]): string {
  const sha = createHash('sha256');
  for (const part of parts) sha.update(part);
  return sha.digest('hex').slice(0, bits / 4);
}

/** What a request ID of ours says about the record that it was made for. */
export interface RequestIdParts {
  readonly value: string;
  readonly coordinates: string;
  readonly name: string;
  readonly route: string;
}

/**
 * The request ID of a start: `v1:<128 bits of the value>:<64 of the coordinates>:<64 of the subscription>:<64 of the
 * route>`. The same request ID meets its own execution again, also a closed one; another one learns of which value,
 * record, subscription and route the first one was. A tombstone and an empty value differ.
 */
export function startRequestId(name: string, routeId: string, at: Coordinates, value: Buffer | null): string {
  const ofValue = value === null ? hash(128, 'null') : hash(128, 'value:', value);
  return `v1:${ofValue}:${hash(64, coordinatesText(at))}:${hash(64, name)}:${hash(64, routeId)}`;
}

/** What a record's signal or update bears: the request ID of its start, marked, since what it starts is not the record's. */
export function deliveryRequestId(
  name: string,
  routeId: string,
  at: Coordinates,
  value: Buffer | null,
  generation?: number,
): string {
  const again = generation === undefined ? '' : `:g${generation}`;
  return `to:${startRequestId(name, routeId, at, value)}${again}`;
}

/** Undefined where the request ID isn't ours: the user's own start, or a Reset's. */
export function parseRequestId(requestId: string): RequestIdParts | undefined {
  const match = /^v1:([0-9a-f]{32}):([0-9a-f]{16}):([0-9a-f]{16}):([0-9a-f]{16})$/.exec(requestId);
  if (!match) return undefined;
  return { value: match[1]!, coordinates: match[2]!, name: match[3]!, route: match[4]! };
}

// What a key must keep apart, and what the way through a header would change: controls, and surrogates without a partner.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const ESCAPED = /[%/\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/gu;

/**
 * The idempotency key of an event that a workflow publishes: its identity's parts (workflows/publish-identity.ts), each
 * escaped, so that no two identities have one key.
 */
export function publishedKey(identity: readonly string[]): string {
  const escaped = identity.map((part) =>
    part.replace(ESCAPED, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`),
  );
  return boundedId(escaped.join('/'));
}

/** The hash that stands in the search attribute `KtbKey` where the key itself must not. */
export function keyHash(key: string): string {
  return hash(128, key);
}
