import { isTopicName } from '../config/rules.js';
import { BridgeError } from '../errors.js';
import { PRIORITIES } from '../priority.js';
import type { ProducerMessage } from './producer-options.js';

/** @throws BridgeError `KTB_USAGE`: the caller's own fault */
function checkTopic(topic: unknown): void {
  if (!isTopicName(topic)) throw usage('topic', "a topic's name", topic);
}

/** Checks what the types can't: a caller in JavaScript, or values from outside. @throws BridgeError `KTB_USAGE` */
export function checkMessage(message: ProducerMessage): void {
  checkTopic(message.topic);
  const { key, value, partition, priority, timestamp, headers } = message;
  if (value !== null && !isBytes(value)) throw usage('value', 'a string, bytes or null', value);
  if (key !== undefined && key !== null && !isBytes(key)) throw usage('key', 'a string, bytes or null', key);
  if (partition !== undefined && !(Number.isInteger(partition) && partition >= 0 && partition < 2 ** 31))
    throw usage('partition', 'a whole number, not negative', partition);
  if (priority !== undefined && !PRIORITIES.includes(priority))
    throw usage('priority', "'high', 'medium' or 'low'", priority);
  if (timestamp !== undefined && !(Number.isSafeInteger(timestamp) && timestamp >= 0))
    throw usage('timestamp', 'epoch milliseconds', timestamp);
  if (headers !== undefined && (typeof headers !== 'object' || headers === null))
    throw usage('headers', 'an object', headers);
}

function isBytes(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array;
}

export function bytesOf(value: string | Uint8Array | null | undefined): Buffer | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return Buffer.from(value);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function usage(field: string, expected: string, got: unknown): BridgeError {
  const shown =
    typeof got === 'string' ? JSON.stringify(got.slice(0, 100)) : got === null ? 'null' : typeof got;
  const number = typeof got === 'number' ? String(got) : shown;
  return new BridgeError('KTB_USAGE', `Expected \`${field}\` to be ${expected}, got ${number}`);
}
