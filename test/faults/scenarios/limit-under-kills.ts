import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { mostInWork, type Interval } from '../in-work.js';
import { killLoop, type Strike } from '../kill-loop.js';
import type { StartedProcess } from '../process.js';
import { createScene, keyed } from '../scene.js';
import { verdict, type Verdict } from '../verdict.js';

export interface LimitUnderKillsOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly seed: number;
  readonly records: number;
  /** Records in work: it begins there and may not grow. */
  readonly limit: number;
  /** SIGKILLs of a bridge, and of a worker. */
  readonly bridgeKills: number;
  readonly workerKills: number;
  readonly killEveryMs: readonly [number, number];
  readonly timeoutMs: number;
  readonly log?: (line: string) => void;
}

export interface LimitUnderKillsReport {
  readonly seed: number;
  readonly limit: number;
  /** The most in work at a time, by Temporal's times of start and close. */
  readonly mostByTemporal: number;
  /** By the handlers' record; a call that was cut counts until its record's next one begins. */
  readonly mostByHandlers: number;
  readonly kills: readonly Strike[];
  readonly verdict: Verdict;
  readonly seconds: number;
}

const PARTITIONS = 8;

/** A backlog, two bridges and two workers, and kills of each: never may more be in work than the limit allows. */
export async function limitUnderKills(options: LimitUnderKillsOptions): Promise<LimitUnderKillsReport> {
  const { seed, records, limit, timeoutMs, log = () => undefined } = options;
  const begun = Date.now();
  await using scene = await createScene({
    partitions: PARTITIONS,
    ...(options.stack === undefined ? {} : { stack: options.stack }),
    config: `capacity: { limit: 'aimd', initial: ${limit}, minimum: ${Math.max(1, Math.floor(limit / 10))}, maximum: ${limit} },`,
  });
  await scene.produce(
    Array.from({ length: records }, (_, n) => keyed(`k${n}`, { n, sleepMs: 300 }, n % PARTITIONS)),
  );
  const fleet = { bridge: new Set<StartedProcess>(), worker: new Set<StartedProcess>() };
  let started = 0;
  const start = (kind: 'bridge' | 'worker') => void fleet[kind].add(scene[kind](`${kind}-${++started}`));
  for (const kind of ['worker', 'worker', 'bridge', 'bridge'] as const) start(kind);
  await until(() => scene.handled().calls.length, {
    what: 'the first handler calls',
    timeoutMs,
    accept: (calls) => calls >= limit / 2,
  });
  const strike = (kind: 'bridge' | 'worker', times: number, loopSeed: number) =>
    killLoop({
      seed: loopSeed,
      everyMs: options.killEveryMs,
      times,
      targets: () => [...fleet[kind]],
      revive: (victim) => {
        fleet[kind].delete(victim);
        start(kind);
      },
      onStrike: ({ victim, atMs }) => log(`killed ${victim} after ${atMs} ms`),
    }).done;
  const kills = (
    await Promise.all([
      strike('bridge', options.bridgeKills, seed),
      strike('worker', options.workerKills, seed + 1),
    ])
  ).flat();
  await scene.committedToEnd(timeoutMs);
  const executions = await until(() => scene.executions(), {
    what: `all ${records} executions to have ended`,
    timeoutMs,
    everyMs: 1_000,
    accept: (all) => all.length >= records && all.every(({ closeTime }) => closeTime !== undefined),
  });
  const { calls } = scene.handled();
  const prefix = `${scene.name}:`;
  return {
    seed,
    limit,
    mostByTemporal: mostInWork(
      executions.map(({ startTime, closeTime }): Interval => [+startTime, +closeTime!]),
    ),
    mostByHandlers: mostInWork(
      calls.map((call): Interval => {
        const next = calls.find((other) => other.key === call.key && other.begunAt > call.begunAt);
        return [call.begunAt, call.endedAt ?? next?.begunAt ?? call.begunAt];
      }),
    ),
    kills,
    verdict: verdict({
      produced: Array.from({ length: records }, (_, n) => ({ key: `k${n}` })),
      handled: calls,
      executions,
      keyOf: ({ workflowId }) => workflowId.slice(prefix.length),
    }),
    seconds: Math.round((Date.now() - begun) / 1000),
  };
}
