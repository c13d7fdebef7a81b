import { createHash } from 'node:crypto';
import { MAX_TOPIC } from '../config/rules.js';
import { oneLine } from '../intake/one-line.js';
import { decodeBody, encodeBody } from './record-body.js';

/** Of a record that is too large, so much of its key, its value and each of its headers goes into the dead letter. */
const KEPT_BYTES = 16 * 1024;
const MAX_HEADERS = 20;

/** The topic of a topic's dead letters. `undefined`: there is none, or it would have no valid name. */
export function deadLetterTopicOf(topic: string, suffix: string | false): string | undefined {
  if (suffix === false || topic.length + suffix.length > MAX_TOPIC || topic.endsWith(suffix))
    return undefined;
  return `${topic}${suffix}`;
}

/**
 * A dead letter: the record as it was, and why it could not be sent. One that is too large is cut, and its headers say
 * how large it was, and its hash.
 */
export function deadLetterBody(body: Buffer, topic: string, why: string, cut: boolean): Buffer {
  const { key, value, headers } = decodeBody(body);
  const added: [string, Buffer][] = [
    ['original-topic', Buffer.from(topic)],
    ['error-message', Buffer.from(oneLine(why))],
    ['error-timestamp', Buffer.from(String(Date.now()))],
  ];
  if (!cut) return encodeBody({ key, value, headers: [...headers, ...added] });
  if (value !== null) {
    added.push(
      ['original-size', Buffer.from(String(value.length))],
      ['original-sha256', Buffer.from(createHash('sha256').update(value).digest('hex'))],
    );
  }
  return encodeBody({
    key: shortened(key),
    value: shortened(value),
    headers: [
      ...headers.slice(0, MAX_HEADERS).map(([name, bytes]) => [name, shortened(bytes)] as const),
      ...added,
    ],
  });
}

function shortened(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : bytes.subarray(0, KEPT_BYTES);
}
