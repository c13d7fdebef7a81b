import { BridgeError } from '../../errors.js';
import type { KafkaLog, Offsets } from '../../intake/kafka-log.js';
import type { SourceRecord } from '../../record.js';
import { delay } from '../../timing.js';
import { isFinal, type RecordOutcome } from '../record-outcome.js';
import { inOrder } from './in-order.js';
import type { RecordView } from './record-view.js';

export interface TailTools {
  readonly log: Pick<KafkaLog, 'logs' | 'offsetsAt' | 'read'>;
  readonly view: (record: SourceRecord) => Promise<RecordView>;
  /** What has become of a record. @default nobody is asked */
  readonly outcome?: (view: RecordView) => Promise<RecordOutcome>;
}

export interface TailRequest {
  readonly topic: string;
  /** An offset, the first record at or after a time, or an end of the log. */
  readonly from: 'earliest' | 'latest' | bigint | Date;
  /** @default all */
  readonly partition?: number;
  /** Goes on with what comes; else it ends where the log ends now. */
  readonly follow: boolean;
  /** Ends after so many that were shown. */
  readonly limit?: number;
  readonly matches: (view: RecordView) => boolean;
}

export interface TailOptions {
  readonly signal?: AbortSignal;
  /** How long the outcome of a record is waited for that is not final. @default 0 */
  readonly outcomeWaitMs?: number;
  /** Kafka is away, and why; undefined: it is back. */
  readonly onAway?: (why: string | undefined) => void;
}

/** A record that is shown, and what has become of it. */
export interface TailedRecord {
  readonly view: RecordView;
  readonly outcome: RecordOutcome | undefined;
}

const ASK_AGAIN_MS = 250;

/**
 * The records of a topic, in order within a partition. No group is joined, and nothing is committed.
 * @throws BridgeError `KTB_USAGE`, `KTB_KAFKA`; TemporalFault
 */
export async function* tail(
  tools: TailTools,
  request: TailRequest,
  options: TailOptions = {},
): AsyncIterable<TailedRecord> {
  const { log, outcome } = tools;
  const { topic, follow } = request;
  const { signal, onAway } = options;
  const { from, to } = await startOf(log, request);
  const records = log.read(topic, from, {
    // A partition that was named stays the only one.
    ...(follow ? { discover: request.partition === undefined, patienceMs: Infinity } : { to }),
    ...(signal ? { signal } : {}),
    ...(onAway ? { onAway } : {}),
  });
  const shown = matching(tools, request, records);
  if (!outcome) {
    for await (const view of shown) yield { view, outcome: undefined };
    return;
  }
  yield* inOrder(shown, async (view) => ({ view, outcome: await outcomeInTime(view, outcome, options) }));
}

async function* matching(
  { view }: TailTools,
  { matches, limit = Infinity }: TailRequest,
  records: AsyncIterable<SourceRecord>,
): AsyncIterable<RecordView> {
  let count = 0;
  if (limit === 0) return;
  for await (const record of records) {
    const one = await view(record);
    if (!matches(one)) continue;
    yield one;
    if (++count >= limit) return;
  }
}

async function outcomeInTime(
  view: RecordView,
  ask: (view: RecordView) => Promise<RecordOutcome>,
  { outcomeWaitMs = 0, signal }: TailOptions,
): Promise<RecordOutcome> {
  const until = performance.now() + outcomeWaitMs;
  for (;;) {
    const outcome = await ask(view);
    if (isFinal(outcome) || performance.now() >= until || signal?.aborted) return outcome;
    await delay(ASK_AGAIN_MS, signal);
  }
}

async function startOf(
  log: TailTools['log'],
  { topic, from, partition }: TailRequest,
): Promise<{ readonly from: Offsets; readonly to: Offsets }> {
  const all = await log.logs(topic);
  const logs = all.filter((one) => partition === undefined || one.partition === partition);
  if (logs.length === 0)
    throw new BridgeError(
      'KTB_USAGE',
      `Expected a partition of ${topic} (it has ${all.length}), got ${partition}`,
    );
  const at = from instanceof Date ? await log.offsetsAt(topic, from) : undefined;
  const begin = (one: (typeof logs)[number]): bigint => {
    if (at) return at.get(one.partition) ?? one.end;
    if (from === 'earliest') return one.start;
    if (typeof from !== 'bigint') return one.end;
    return from < one.start ? one.start : from;
  };
  return {
    from: new Map(logs.map((one) => [one.partition, begin(one)])),
    to: new Map(logs.map(({ partition: one, end }) => [one, end])),
  };
}
