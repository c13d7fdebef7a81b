import { createHash, randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Context } from '@temporalio/activity';
import type { RecordInfo } from '../../workflows/contract.js';

/** One line of the record. */
export interface HandlerEvent {
  /** Names this call: its `begun` and its end have the same. */
  readonly call: string;
  readonly phase: 'begun' | 'ended' | 'failed';
  /** The idempotency key, else `topic/partition/offset`. */
  readonly key: string;
  readonly valueHash: string;
  /** Epoch milliseconds by the handler's clock. */
  readonly at: number;
  readonly pid: number;
  readonly attempt: number;
  readonly workflowId: string;
  readonly runId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly error?: string;
}

/** A call of a handler. */
export interface HandlerCall extends Omit<HandlerEvent, 'phase' | 'at' | 'error'> {
  readonly begunAt: number;
  readonly endedAt?: number;
  /** `cut`: its process died in it, or it still runs. */
  readonly outcome: 'ended' | 'failed' | 'cut';
  /** Line numbers: the order in the file is the order of the writes, over all processes, whatever their clocks say. */
  readonly begunLine: number;
  readonly endedLine?: number;
  readonly error?: string;
}

export interface HandlersRecordWriter {
  /** Runs the handler between a `begun` and an `ended` or `failed` line. To be called in an activity. */
  around<T>(event: unknown, record: RecordInfo, handler: () => T | Promise<T>): Promise<T>;
  close(): void;
}

/** A short hash of a value that went through JSON, to compare what was handled with what was produced. */
export function valueHash(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value) ?? 'undefined')
    .digest('hex')
    .slice(0, 16);
}

/**
 * Appends to a file that all worker processes share. Every line is one write with O_APPEND, on disk (in the page
 * cache) when the call returns: SIGKILL can tear at most the line that is being written.
 */
export function handlersRecord(file: string): HandlersRecordWriter {
  mkdirSync(dirname(file), { recursive: true });
  const descriptor = openSync(file, 'a');
  const write = (event: HandlerEvent): void => {
    // The newline before it closes what another process that was killed may have left open.
    writeSync(descriptor, `\n${JSON.stringify(event)}\n`);
  };
  return {
    async around(event, record, handler) {
      const where = whereAmI();
      const call = {
        call: randomUUID(),
        key: record.idempotencyKey ?? `${record.topic}/${record.partition}/${record.offset}`,
        valueHash: valueHash(event),
        pid: process.pid,
        ...where,
        topic: record.topic,
        partition: record.partition,
        offset: record.offset,
      };
      write({ ...call, phase: 'begun', at: Date.now() });
      try {
        const result = await handler();
        write({ ...call, phase: 'ended', at: Date.now() });
        return result;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        write({ ...call, phase: 'failed', at: Date.now(), error: message });
        throw error;
      }
    },
    close: () => closeSync(descriptor),
  };
}

function whereAmI(): { attempt: number; workflowId: string; runId: string } {
  try {
    const { info } = Context.current();
    const { workflowId, runId } = info.workflowExecution ?? { workflowId: '', runId: '' };
    return { attempt: info.attempt, workflowId, runId };
  } catch {
    // Not in an activity: a unit test.
    return { attempt: 1, workflowId: '', runId: '' };
  }
}

export interface HandlersRecord {
  /** In the order in which they began. */
  readonly calls: readonly HandlerCall[];
  /** Lines that could not be read: a killed process tears at most one each. */
  readonly torn: number;
  /** The calls of one key, in order. */
  of(key: string): readonly HandlerCall[];
  keys(): readonly string[];
  /** Calls of the same key of which one began while the other ran. Cut calls are left out: nobody saw their end. */
  overlaps(): readonly (readonly [HandlerCall, HandlerCall])[];
}

/** Reads what handlers wrote; also while they write. A file that isn't there yet holds no calls. */
export function readHandlersRecord(file: string): HandlersRecord {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return parseHandlersRecord(text);
}

export function parseHandlersRecord(text: string): HandlersRecord {
  const calls = new Map<string, { -readonly [K in keyof HandlerCall]: HandlerCall[K] }>();
  let torn = 0;
  text.split('\n').forEach((line, number) => {
    if (line === '') return;
    const event = parseEvent(line);
    if (event === undefined) {
      torn++;
      return;
    }
    const { phase, at, error, ...rest } = event;
    if (phase === 'begun') {
      calls.set(rest.call, { ...rest, begunAt: at, begunLine: number, outcome: 'cut' });
      return;
    }
    const call = calls.get(rest.call);
    if (call === undefined) return;
    Object.assign(
      call,
      { endedAt: at, endedLine: number, outcome: phase },
      error === undefined ? {} : { error },
    );
  });
  const byKey = new Map<string, HandlerCall[]>();
  for (const call of calls.values()) {
    const same = byKey.get(call.key);
    if (same === undefined) byKey.set(call.key, [call]);
    else same.push(call);
  }
  return {
    calls: [...calls.values()],
    torn,
    of: (key) => byKey.get(key) ?? [],
    keys: () => [...byKey.keys()],
    overlaps: () => [...byKey.values()].flatMap(overlapping),
  };
}

function overlapping(calls: readonly HandlerCall[]): (readonly [HandlerCall, HandlerCall])[] {
  const whole = calls.filter(({ outcome }) => outcome !== 'cut');
  return whole.flatMap((first, index) =>
    whole
      .slice(index + 1)
      .filter((second) => second.begunLine < first.endedLine!)
      .map((second) => [first, second] as const),
  );
}

const PHASES: readonly unknown[] = ['begun', 'ended', 'failed'];

function parseEvent(line: string): HandlerEvent | undefined {
  try {
    const event = JSON.parse(line) as HandlerEvent;
    return typeof event.call === 'string' && PHASES.includes(event.phase) ? event : undefined;
  } catch {
    return undefined;
  }
}
