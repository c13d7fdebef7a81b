import { explainRepeats, type Repeats } from './repeats.js';
import type { HandlerCall } from './handlers-record.js';

/** A record that Kafka acknowledged. Several may have one key. */
export interface ProducedRecord {
  readonly key: string;
  /** `valueHash` of the event; without it values aren't compared. */
  readonly valueHash?: string;
}

/** A workflow execution as visibility lists it (the SDK's `WorkflowExecutionInfo` is one). */
export interface ExecutionSeen {
  readonly workflowId: string;
  readonly runId: string;
  readonly status: { readonly name: string };
}

export interface PartitionOffset {
  readonly topic?: string;
  readonly partition: number;
  readonly offset: bigint | string;
}

export interface VerdictInput {
  readonly produced: Iterable<ProducedRecord>;
  /** `readHandlersRecord(file).calls`. Left out: calls are not judged. */
  readonly handled?: Iterable<HandlerCall>;
  readonly executions: Iterable<ExecutionSeen>;
  /** Left out (with `logEnd`): commits are not judged. */
  readonly committed?: Iterable<PartitionOffset>;
  readonly logEnd?: Iterable<PartitionOffset>;
  /** The key of an execution; `undefined` leaves it out. @default its workflow ID */
  readonly keyOf?: (execution: ExecutionSeen) => string | undefined;
  /** Keys whose execution must have failed. @default none */
  readonly expectFailed?: Iterable<string>;
}

export interface CommitsReport {
  readonly ok: boolean;
  readonly partitions: number;
  /** Partitions whose committed offset is not the log's end, the first 10. */
  readonly off: readonly {
    readonly partition: string;
    readonly committed: string | null;
    readonly logEnd: string;
  }[];
}

/** JSON. Lists hold the first 10, counts stand beside them. */
export interface Verdict {
  readonly ok: boolean;
  /** What is wrong, in words; empty when `ok`. */
  readonly wrongs: readonly string[];
  readonly produced: number;
  readonly unique: number;
  readonly executions: number;
  /** How many executions ended how. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Keys without an execution. */
  readonly missing: readonly string[];
  /** Keys with more than one. */
  readonly twice: readonly string[];
  /** Executions of keys that nobody produced. */
  readonly extra: readonly string[];
  /** Keys whose execution is not Completed (or, where expected, not Failed). */
  readonly unfinished: readonly string[];
  /** Completed keys of which no handler call ended. */
  readonly unhandled: readonly string[];
  /** Keys that were handled with a value that was not produced under them. */
  readonly otherValue: readonly string[];
  readonly handlerCalls: number;
  /** Calls beyond the first of their key. */
  readonly repeatedCalls: number;
  readonly repeats: Repeats;
  readonly commits: CommitsReport | null;
}

/**
 * Judges a run: every unique key has exactly one execution, which ended as expected, none is missing, none is extra;
 * each call beyond a key's first has a reason; committed offsets are at the log's end. Pure.
 */
export function verdict(input: VerdictInput): Verdict {
  const produced = countProduced(input.produced);
  const keyOf = input.keyOf ?? (({ workflowId }) => workflowId);
  const expectFailed = new Set(input.expectFailed ?? []);
  const byKey = new Map<string, ExecutionSeen[]>();
  const statuses: Record<string, number> = {};
  let executions = 0;
  for (const execution of input.executions) {
    const key = keyOf(execution);
    // A run that continued as new is one with its successor.
    if (key === undefined || execution.status.name === 'CONTINUED_AS_NEW') continue;
    executions++;
    statuses[execution.status.name] = (statuses[execution.status.name] ?? 0) + 1;
    push(byKey, key, execution);
  }
  const unique = [...produced.hashes.keys()];
  const missing = unique.filter((key) => !byKey.has(key));
  const twice = unique.filter((key) => (byKey.get(key)?.length ?? 0) > 1);
  const extra = [...byKey.keys()].filter((key) => !produced.hashes.has(key));
  const wanted = (key: string): string => (expectFailed.has(key) ? 'FAILED' : 'COMPLETED');
  const unfinished = unique.filter((key) =>
    byKey.get(key)?.some(({ status }) => status.name !== wanted(key)),
  );

  const calls = new Map<string, HandlerCall[]>();
  for (const call of input.handled ?? []) push(calls, call.key, call);
  const handlerCalls = [...calls.values()].reduce((sum, { length }) => sum + length, 0);
  const completed = (key: string): boolean =>
    byKey.get(key)?.some(({ status }) => status.name === 'COMPLETED') === true;
  const ended = (key: string): boolean => calls.get(key)?.some(({ outcome }) => outcome === 'ended') === true;
  const unhandled = input.handled === undefined ? [] : unique.filter((key) => completed(key) && !ended(key));
  const otherValue = [...calls]
    .filter(([key, list]) => hasOtherValue(list, produced.hashes.get(key)))
    .map(([key]) => key);
  const uncalled = [...calls.keys()].filter((key) => !produced.hashes.has(key));
  const repeats = explainRepeats(calls.values());
  const commits =
    input.committed === undefined || input.logEnd === undefined
      ? null
      : judgeCommits(input.committed, input.logEnd);

  const wrongs = [
    say(missing, 'without an execution'),
    say(twice, 'with more than one execution'),
    say(extra, 'with an execution that nobody produced'),
    say(unfinished, 'whose execution did not end as expected'),
    say(unhandled, 'completed without a handler call that ended'),
    say(otherValue, 'handled with another value than was produced'),
    say(uncalled, 'handled that nobody produced'),
    say(repeats.unexplained, 'with a repeated call that nothing explains'),
    commits?.ok === false
      ? `partitions whose committed offset is not the log's end: ${commits.off.length}`
      : '',
  ].filter((wrong) => wrong !== '');
  return {
    ok: wrongs.length === 0,
    wrongs,
    produced: produced.count,
    unique: unique.length,
    executions,
    statuses,
    missing: missing.slice(0, 10),
    twice: twice.slice(0, 10),
    extra: extra.slice(0, 10),
    unfinished: unfinished.slice(0, 10),
    unhandled: unhandled.slice(0, 10),
    otherValue: otherValue.slice(0, 10),
    handlerCalls,
    repeatedCalls: handlerCalls - calls.size,
    repeats: { ...repeats, unexplained: repeats.unexplained.slice(0, 10) },
    commits: commits === null ? null : { ...commits, off: commits.off.slice(0, 10) },
  };
}

function countProduced(records: Iterable<ProducedRecord>): { count: number; hashes: Map<string, string[]> } {
  const hashes = new Map<string, string[]>();
  let count = 0;
  for (const { key, valueHash } of records) {
    count++;
    const known = hashes.get(key) ?? [];
    hashes.set(key, valueHash === undefined ? known : [...known, valueHash]);
  }
  return { count, hashes };
}

function hasOtherValue(calls: readonly HandlerCall[], hashes: readonly string[] | undefined): boolean {
  if (hashes === undefined || hashes.length === 0) return false;
  // Which of several values of one key came first the log decides; but all calls have the same.
  return calls.some((call) => !hashes.includes(call.valueHash) || call.valueHash !== calls[0]!.valueHash);
}

function judgeCommits(
  committed: Iterable<PartitionOffset>,
  logEnd: Iterable<PartitionOffset>,
): CommitsReport {
  const name = ({ topic, partition }: PartitionOffset): string => `${topic ?? ''}/${partition}`;
  const offsets = new Map([...committed].map((one) => [name(one), BigInt(one.offset)]));
  const ends = [...logEnd];
  const off = ends
    .map((end) => ({
      end: BigInt(end.offset),
      partition: name(end),
      committed: offsets.get(name(end)) ?? -1n,
    }))
    // A partition that never held anything may never have been committed.
    .filter(({ end, committed: at }) => at !== end && !(end === 0n && at < 0n))
    .map(({ end, partition, committed: at }) => ({
      partition,
      committed: at < 0n ? null : at.toString(),
      logEnd: end.toString(),
    }));
  return { ok: off.length === 0, partitions: ends.length, off };
}

function say(list: readonly string[], what: string): string {
  return list.length === 0 ? '' : `keys ${what}: ${list.length}, e.g. ${list.slice(0, 3).join(', ')}`;
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
