import { createHash } from 'node:crypto';
import { IDEMPOTENCY_KEY_HEADER } from '../../intake/idempotency-key.js';
import type { KafkaLog, Offsets } from '../../intake/kafka-log.js';
import { lastHeader } from '../../record.js';

/** A line that an earlier run may have sent. */
export interface PendingLine {
  readonly line: number;
  readonly idempotencyKey: Buffer;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

export interface FoundLines {
  readonly lines: ReadonlySet<number>;
  /** Up to here it was looked for them, and is not to be again: what was found would be found for another line. */
  readonly to: Offsets;
  /** Partitions of which a part is gone: of a line that stood there nobody knows. */
  readonly gone: readonly number[];
}

/**
 * Which of the lines stand in the topic, at these offsets or after them. A line with a key of its own is known by that,
 * its record key and its value: as often as they stand there, as many lines are done with.
 */
export async function linesInLog(
  log: Pick<KafkaLog, 'logs' | 'read'>,
  topic: string,
  positions: Offsets,
  pending: readonly PendingLine[],
  signal?: AbortSignal,
): Promise<FoundLines> {
  const found = new Set<number>();
  if (pending.length === 0) return { lines: found, to: new Map(), gone: [] };
  const keys = new Set<string>();
  const wanted = new Map<string, number[]>();
  for (const { line, idempotencyKey, key, value } of pending) {
    keys.add(idempotencyKey.toString('latin1'));
    const identity = identityOf(idempotencyKey, key, value);
    const lines = wanted.get(identity);
    if (lines) lines.push(line);
    else wanted.set(identity, [line]);
  }
  const logs = await log.logs(topic);
  const from = new Map(logs.map(({ partition, start }) => [partition, positions.get(partition) ?? start]));
  const gone = logs.filter(({ partition, start }) => from.get(partition)! < start);
  for (const { partition, start } of gone) from.set(partition, start);
  const to = new Map(logs.map(({ partition, end }) => [partition, end]));
  for await (const record of log.read(topic, from, { to, ...(signal ? { signal } : {}) })) {
    const idempotencyKey = lastHeader(record.headers, IDEMPOTENCY_KEY_HEADER);
    if (!idempotencyKey || !keys.has(idempotencyKey.toString('latin1'))) continue;
    const line = wanted.get(identityOf(idempotencyKey, record.key, record.value))?.shift();
    if (line !== undefined) found.add(line);
  }
  return { lines: found, to, gone: gone.map(({ partition }) => partition) };
}

function identityOf(...parts: readonly (Buffer | null)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part === null ? 'null' : part.length}:`).update(part ?? '');
  return hash.digest('base64url');
}
