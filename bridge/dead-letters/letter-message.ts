import { createHash } from 'node:crypto';
import { QUARANTINE_WORKFLOW } from '../../workflows/contract.js';
import { oneLine } from '../intake/one-line.js';
import type { DeadLetter } from '../operate/dead-letters.js';
import type { HeaderValue } from '../producer/headers.js';
import type { ProducerMessage } from '../producer/producer-options.js';
import type { OriginalRecord } from './original-record.js';

/** Of one that is too large for its topic, so much of key, value and each of its headers goes there: if the first doesn't, the second. */
export const KEPT_BYTES = [16 * 1024, 64] as const;
const KEPT_HEADERS = 20;

/** One key for each run: whoever knows it already has it from another sweep, another bridge, or before a crash. */
function letterKey(runId: string): string {
  return `dead-letter/${runId}`;
}

/** A dead letter as a record: the original with why and where beside it. Headers of the same names are replaced. */
export function letterMessage(topic: string, letter: DeadLetter, original: OriginalRecord): ProducerMessage {
  const given = original.headers['idempotency-key'];
  const quarantined = letter.workflowType === QUARANTINE_WORKFLOW;
  const ours: Headers = {
    ...(given === undefined ? {} : { 'original-idempotency-key': given }),
    'idempotency-key': letterKey(letter.runId),
    'original-topic': letter.topic,
    'original-partition': letter.partition,
    'original-offset': letter.offset,
    'original-from': original.from,
    'error-type': oneLine(letter.errorType),
    'error-message': oneLine(letter.reason),
    'error-timestamp': letter.failedAt,
    'workflow-id': letter.workflowId,
    'run-id': letter.runId,
    'workflow-status': quarantined ? 'quarantined' : letter.status,
    link: letter.link,
  };
  // Ours stand last.
  const headers = copyOf(original.headers, (name) => !Object.hasOwn(ours, name));
  for (const [name, value] of Object.entries(ours)) headers[name] = value;
  return { topic, key: original.key, value: original.value, headers };
}

/** The same, cut: its headers say how large the value was, and its hash. What we say of it stays whole. */
export function shortened(message: ProducerMessage, keptBytes: number): ProducerMessage {
  const cutOf = <T>(given: T): T | Uint8Array =>
    given instanceof Uint8Array ? given.subarray(0, keptBytes) : given;
  const { key, value, headers = {} } = message;
  const last = new Set(Object.keys(headers).slice(-KEPT_HEADERS));
  const cut = copyOf(headers, (name) => last.has(name));
  for (const [name, given] of Object.entries(cut)) {
    cut[name] = isList(given) ? given.slice(0, KEPT_HEADERS).map(cutOf) : cutOf(given);
  }
  if (value !== null) {
    const bytes = Buffer.from(value);
    cut['original-size'] = bytes.length;
    cut['original-sha256'] = createHash('sha256').update(bytes).digest('hex');
  }
  return { ...message, key: cutOf(key), value: cutOf(value), headers: cut };
}

function isList(value: Headers[string]): value is readonly HeaderValue[] {
  return Array.isArray(value);
}

type Headers = Record<string, HeaderValue | readonly HeaderValue[]>;

/** No prototype: a header may be called `__proto__`. */
function copyOf(headers: Readonly<Headers>, wanted: (name: string) => boolean): Headers {
  const copy = Object.create(null) as Headers;
  for (const name of Object.keys(headers)) if (wanted(name)) copy[name] = headers[name];
  return copy;
}
