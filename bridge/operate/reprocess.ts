import type { StartScope } from '../delivery/record-start.js';
import { startRecord } from '../delivery/record-start.js';
import { quarantineRequestOf } from '../delivery/quarantine-start.js';
import { BridgeError } from '../errors.js';
import type { DeliverableRecord, MappedRecord } from '../intake/mapped-record.js';
import type { RecordMapper } from '../intake/record-mapper.js';
import { coordinatesText } from '../temporal/ids.js';
import { TemporalFault, type TemporalPort } from '../temporal/temporal-port.js';
import { delay } from '../timing.js';
import { concurrently } from './concurrently.js';
import { paced } from './paced.js';
import type { KafkaView, OffsetRange } from '../intake/kafka-view.js';

/** A stretch of a topic that shall be handled once more, on purpose. */
export interface ReprocessRequest {
  readonly topic: string;
  /** An offset, or the first record at or after a time. */
  readonly from: bigint | Date;
  /** An offset, without it, or the first record at or after a time. */
  readonly to: bigint | Date;
  /** @default all partitions; offsets need one where the topic has several */
  readonly partition?: number;
  /** Which handling it is: part of the keys, `<key>~g<generation>`. The same one again handles nothing twice. */
  readonly generation: number;
}

export interface ReprocessOptions {
  /** Reads and counts, and starts nothing. @default false */
  readonly dryRun?: boolean;
  /** Asked once, with the ranges and how many records they span at most; `false` ends it. */
  readonly confirm?: (ranges: readonly OffsetRange[], records: number) => Promise<boolean>;
  /** Starts in a second. @default as fast as Temporal takes them */
  readonly perSecond?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface ReprocessReport {
  readonly ranges: readonly OffsetRange[];
  readonly confirmed: boolean;
  /** Records read, by what became of them; in a dry run, by what would. */
  readonly outcomes: Readonly<Record<ReprocessOutcome, number>>;
  /** Of each outcome that needs a reason, the first. */
  readonly reasons: Readonly<Partial<Record<ReprocessOutcome, string>>>;
}

export type ReprocessOutcome =
  'started' | 'duplicate' | 'conflict' | 'foreign' | 'quarantined' | 'filtered' | 'expired';

export interface ReprocessTools {
  readonly port: TemporalPort;
  readonly kafka: KafkaView;
  readonly mapper: RecordMapper;
  readonly scope: StartScope;
}

/** How long Temporal may be away before it is given up; the same generation again goes on where it stood. */
const PATIENCE = 30;

/** @throws BridgeError `KTB_USAGE`, `KTB_KAFKA`; TemporalFault where Temporal stays away */
export async function reprocess(
  tools: ReprocessTools,
  request: ReprocessRequest,
  options: ReprocessOptions = {},
): Promise<ReprocessReport> {
  const { kafka } = tools;
  const { signal } = options;
  if (!Number.isSafeInteger(request.generation) || request.generation < 1)
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`generation\` to be a whole number of at least 1, got ${request.generation}`,
    );
  const ranges = await kafka.ranges(request.topic, request.from, request.to, request.partition);
  if (
    typeof request.from === 'bigint' &&
    request.partition === undefined &&
    ranges.some(({ partition }) => partition > 0)
  )
    throw new BridgeError(
      'KTB_USAGE',
      `Expected \`partition\` to be given, since ${request.topic} has several and the range is of offsets`,
    );
  const total = ranges.reduce((sum, { from, to }) => sum + Number(to - from), 0);
  const outcomes = {
    started: 0,
    duplicate: 0,
    conflict: 0,
    foreign: 0,
    quarantined: 0,
    filtered: 0,
    expired: 0,
  };
  const reasons: Partial<Record<ReprocessOutcome, string>> = {};
  const report = (confirmed: boolean): ReprocessReport => ({ ranges, confirmed, outcomes, reasons });
  if (total === 0) return report(false);
  if (!options.dryRun && options.confirm && !(await options.confirm(ranges, total))) return report(false);
  let done = 0;
  const pace = paced(options.perSecond, signal);
  for (const range of ranges) {
    if (signal?.aborted) break;
    const settled = concurrently(
      kafka.read(range, signal),
      async (record) => {
        const mapped = againOf(await tools.mapper.map(record), request.generation);
        if (options.dryRun) return expected(mapped);
        await pace();
        // An interruption ends the waits for a turn all at once: what has not begun is left as it is.
        return signal?.aborted ? undefined : handOn(tools, mapped, signal);
      },
      signal,
    );
    for await (const one of settled) {
      if (!one) continue;
      const { outcome, reason } = one;
      outcomes[outcome]++;
      if (reason !== undefined) reasons[outcome] ??= reason;
      options.onProgress?.(++done, total);
    }
  }
  return report(!options.dryRun);
}

interface Settled {
  readonly outcome: ReprocessOutcome;
  readonly reason?: string;
}

/** The same record under the key of this generation; handlers see that key too, or they would take it for a repetition. */
function againOf(mapped: MappedRecord, generation: number): MappedRecord {
  if (mapped.kind !== 'deliver') return mapped;
  const text = `${mapped.key.text ?? coordinatesText(mapped.source)}~g${generation}`;
  // A key of its own for each route, where the record has none.
  const key: DeliverableRecord['key'] =
    mapped.key.source === 'coordinates' ? { source: 'route', text } : { source: mapped.key.source, text };
  return { ...mapped, key, generation, info: { ...mapped.info, idempotencyKey: text } };
}

function expected(mapped: MappedRecord): Settled {
  switch (mapped.kind) {
    case 'deliver':
      return { outcome: 'started' };
    case 'quarantine':
      return { outcome: 'quarantined', reason: mapped.message };
    default:
      return { outcome: mapped.kind };
  }
}

async function handOn(
  { port, scope }: ReprocessTools,
  mapped: MappedRecord,
  signal?: AbortSignal,
): Promise<Settled> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (mapped.kind === 'deliver') {
        const { outcome, message } = await startRecord(port, mapped, scope, Date.now());
        return { outcome, ...(message === '' ? {} : { reason: message }) };
      }
      if (mapped.kind !== 'quarantine') return { outcome: mapped.kind };
      const { source, reason, message, route } = mapped;
      // One that stands there already is met by its request ID.
      await port.start(
        quarantineRequestOf({ source, reason, message, routeId: route?.id }, scope, Date.now()),
      );
      return { outcome: 'quarantined', reason: message };
    } catch (error) {
      if (!(error instanceof TemporalFault)) throw error;
      if (error.kind !== 'systemic')
        return { outcome: 'quarantined', reason: `${error.message}; nothing was started` };
      if (attempt >= PATIENCE || signal?.aborted) throw error;
      await delay(Math.min(2_000, 100 * 2 ** attempt), signal);
    }
  }
}
