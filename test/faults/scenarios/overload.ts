import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { delay } from '../../../bridge/timing.js';
import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { ConstantLoad } from '../constant-load.js';
import { countOver, inWorkOver, type Interval, type Point } from '../in-work.js';
import type { StartedProcess } from '../process.js';
import { createScene } from '../scene.js';
import { verdict } from '../verdict.js';

export interface OverloadOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly limit: 'aimd' | 'gradient' | 'fixed';
  /** Records of medium priority a second; besides one a second of high priority, on a partition of its own. */
  readonly perSecond: number;
  /** Activity slots of the one worker. */
  readonly slots: number;
  /** How long the handler is fast, and then slow, in seconds. Then it is fast until all is done. */
  readonly fastSeconds: number;
  readonly slowSeconds: number;
  readonly timeoutMs: number;
  readonly log?: (line: string) => void;
}

/** Figures over time: seconds since the load began. */
export interface OverloadReport {
  readonly limit: OverloadOptions['limit'];
  /** When the worker became slow, and fast again. */
  readonly slowAt: number;
  readonly fastAt: number;
  readonly arrivals: readonly Point[];
  readonly limits: readonly Point[];
  /** By Temporal's own times of start and close. */
  readonly inWork: readonly Point[];
  /** The mean of what ended in the second before, in ms, by the handlers' record. */
  readonly response: readonly Point[];
  readonly lag: readonly Point[];
  /** The most that was in work beyond the limit when something was started, as a share of the limit. */
  readonly maxOverLimit: number;
  /** The lowest limit while it was slow. */
  readonly lowest: number;
  /** From `fastAt` until the limit was back at 100. */
  readonly recoverySeconds: number;
  /** Of records of high priority: from their append to their handler's begin. */
  readonly highWaitP99Ms: number;
  readonly lost: number;
  readonly twice: number;
}

const PARTITIONS = 8;
const FAST_MS = 20;
const SLOW_MS = 2_000;
/** Where the limit begins, and comes back to. */
const INITIAL = 100;

const ROUTES = `[{ id: 'work', topic: TOPIC, activity: 'handle' }]`;

/** As long as the file says, at each call: all calls from then on are slow, or fast. */
const ACTIVITIES = `
import { readFileSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import { handlersRecord } from '${new URL('../handlers-record.ts', import.meta.url).pathname}';
const journal = handlersRecord(process.env.KTB_HANDLERS_RECORD);
export async function handle(event, record) {
  return journal.around(event, record, () => Context.current().sleep(Number(readFileSync(process.env.KTB_PACE, 'utf8'))));
}
`;

/**
 * One worker that is fast, then slow with all its slots busy, then fast again, under a constant load that it can't take
 * while it is slow. What the bridge admits has to follow.
 */
export async function overload(options: OverloadOptions): Promise<OverloadReport> {
  const { limit, perSecond, slots, timeoutMs, log = () => undefined } = options;
  await using scene = await createScene({
    ...(options.stack === undefined ? {} : { stack: options.stack }),
    partitions: PARTITIONS,
    routes: ROUTES,
    activities: ACTIVITIES,
    config: `capacity: { limit: '${limit}' }, worker: { activities: './activities/index.ts', ownOptions: { maxConcurrentActivityTaskExecutions: ${slots} } },`,
  });
  const paceFile = join(scene.project.dir, 'pace');
  const pace = (ms: number) => writeFileSync(paceFile, String(ms));
  pace(FAST_MS);
  const worker = scene.worker('worker', { KTB_PACE: paceFile });
  const bridge = scene.bridge();
  await Promise.all([
    worker.waitForOutput(/"msg":"polling"/, timeoutMs),
    bridge.waitForOutput(/joined the group/, timeoutMs),
  ]);
  const begun = Date.now();
  const since = (at: number) => (at - begun) / 1000;
  const event = () => ({});
  await using ordinary = new ConstantLoad(scene, {
    perSecond,
    event,
    partition: (n) => n % (PARTITIONS - 1),
  });
  // On a partition of its own.
  await using high = new ConstantLoad(scene, {
    perSecond: 1,
    prefix: 'high',
    event,
    partition: () => PARTITIONS - 1,
    headers: { priority: 'high' },
  });
  await delay(options.fastSeconds * 1000, AbortSignal.timeout(timeoutMs));
  const slowAt = Date.now();
  pace(SLOW_MS);
  log(`slow, after ${since(slowAt).toFixed(0)} s`);
  await delay(options.slowSeconds * 1000, AbortSignal.timeout(timeoutMs));
  const fastAt = Date.now();
  pace(FAST_MS);
  log(`fast again, after ${since(fastAt).toFixed(0)} s`);
  const back = await until(() => samplesOf(bridge).find((one) => one.at >= fastAt && one.limit >= INITIAL), {
    what: `the limit to be back at ${INITIAL}`,
    timeoutMs,
    everyMs: 500,
  });
  log(`the limit is back after ${since(back!.at).toFixed(0)} s`);
  const [ofHigh, others] = await Promise.all([high.stop(), ordinary.stop()]);
  const sent = [...ofHigh, ...others];
  await scene.committedToEnd(timeoutMs);
  const executions = await until(() => scene.executions(), {
    what: `all ${sent.length} executions to have ended`,
    timeoutMs,
    everyMs: 1_000,
    accept: (all) => all.length >= sent.length && all.every((one) => one.closeTime !== undefined),
  });

  const { calls } = scene.handled();
  const judged = verdict({
    produced: sent,
    handled: calls,
    executions,
    keyOf: ({ workflowId }) => workflowId.slice(`${scene.name}:`.length),
  });
  const samples = samplesOf(bridge);
  const work = executions.map(({ startTime, closeTime }): Interval => [+startTime, +closeTime!]);
  const limits = samples.map(({ at, limit: value }): Point => [at, value]);
  const begins = new Map(calls.map((call) => [call.key, call.begunAt] as const).reverse());
  const waits = ofHigh.map(({ key, at }) => (begins.get(key) ?? Infinity) - at).sort((a, b) => a - b);
  const overTime = (points: readonly Point[]) => points.map(([at, value]): Point => [since(at), value]);
  const end = Date.now();
  return {
    limit,
    slowAt: since(slowAt),
    fastAt: since(fastAt),
    arrivals: overTime(
      countOver(
        sent.map(({ at }) => at),
        begun,
        end,
      ),
    ),
    limits: overTime(limits),
    inWork: overTime(inWorkOver(work)),
    response: overTime(
      meanOver(
        calls.flatMap(({ begunAt, endedAt }) =>
          endedAt === undefined ? [] : [[endedAt, endedAt - begunAt]],
        ),
        begun,
        end,
      ),
    ),
    lag: overTime(samples.map(({ at, lag }): Point => [at, lag])),
    maxOverLimit: mostOver(inWorkOver(work), limits),
    lowest: Math.min(...samples.filter(({ at }) => at >= slowAt && at <= fastAt).map((one) => one.limit)),
    recoverySeconds: (back!.at - fastAt) / 1000,
    highWaitP99Ms: waits[Math.ceil(waits.length * 0.99) - 1] ?? NaN,
    lost: judged.missing.length,
    twice: judged.twice.length + judged.repeatedCalls,
  };
}

interface Sample {
  readonly at: number;
  readonly limit: number;
  readonly lag: number;
}

/** What the bridge has logged of itself. */
function samplesOf(bridge: StartedProcess): readonly Sample[] {
  const lines = bridge.stderr.split('\n').filter((line) => line.includes('"msg":"counts"'));
  return lines.flatMap((line) => {
    try {
      const { time, limit, lag } = JSON.parse(line) as { time: string; limit?: number; lag: number };
      return limit === undefined ? [] : [{ at: Date.parse(time), limit, lag }];
    } catch {
      return []; // half written
    }
  });
}

/** A lease that was given under a higher limit holds for so long. */
const LEASE_MS = 5_000;

/** Judged at each start: what was in work then against the highest limit that a lease could still have been of. */
function mostOver(inWork: readonly Point[], limits: readonly Point[]): number {
  let most = 0;
  let before = 0;
  for (const [at, count] of inWork) {
    const inForce = limits.filter(([when]) => when <= at && when >= at - LEASE_MS).map(([, value]) => value);
    const last = limits.findLast(([when]) => when <= at)?.[1];
    const highest = Math.max(...inForce, last ?? INITIAL);
    if (count > before) most = Math.max(most, count / highest - 1);
    before = count;
  }
  return Math.max(0, most);
}

function meanOver(values: readonly (readonly [number, number])[], from: number, to: number): Point[] {
  const points: Point[] = [];
  for (let at = from + 1000; at <= to; at += 1000) {
    const within = values.filter(([when]) => when > at - 1000 && when <= at);
    if (within.length > 0)
      points.push([at, within.reduce((sum, [, value]) => sum + value, 0) / within.length]);
  }
  return points;
}
