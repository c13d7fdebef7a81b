import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../../bridge/config/load.js';
import { registerSearchAttributes } from '../../../bridge/operate/setup.js';
import { until } from '../../helpers/until.js';
import type { TestStack } from '../../helpers/stack.js';
import { valueHash } from '../handlers-record.js';
import { killLoop, type Strike } from '../kill-loop.js';
import { startKtb, type StartedProcess } from '../process.js';
import { mostInASecond, resetTimes } from '../reset-times.js';
import { createScene, keyed, type Scene, type WorkEvent } from '../scene.js';
import { verdict, type Verdict } from '../verdict.js';

export interface ReplayManyOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  readonly seed: number;
  readonly records: number;
  /** As `ktb replay --rate`. @default none: jobs on the server do it, as fast as it takes them */
  readonly perSecond?: number;
  /** SIGKILLs of a worker while they are replayed. */
  readonly workerKills: number;
  readonly killEveryMs: readonly [number, number];
  readonly timeoutMs: number;
  readonly log?: (line: string) => void;
}

export interface ReplayManyReport {
  readonly seed: number;
  readonly records: number;
  readonly kills: readonly Strike[];
  /** Of what came after the mend: the runs that the replay made, and the calls in them. */
  readonly verdict: Verdict;
  /** Keys that were handled to the end more than once, though Temporal had the completion of each call. */
  readonly handledTwice: number;
  readonly command: { readonly exitCode: number | null; readonly completed: number; readonly jobs: number };
  readonly rate: ResetRate;
  readonly seconds: number;
}

/** How fast the server was asked to reset, by the times that stand in the histories. */
export interface ResetRate {
  readonly asked: number | null;
  readonly tolerance: number;
  /** Whatever second is looked at. */
  readonly mostInASecond: number;
  readonly resets: number;
  /** Where none was asked for, any is. */
  readonly kept: boolean;
}

/** Resets are sent evenly, so many at a time: where the server stalls, those under way are done together. */
const TOLERANCE = 16;
const QUERY = 'KtbRoute = "work" AND WorkflowType = "work"';

/**
 * So many dead letters of one cause; it is mended, and `ktb replay --query` sends them all through while workers are
 * killed. Each must complete in exactly one new run, handled once.
 */
export async function replayMany(options: ReplayManyOptions): Promise<ReplayManyReport> {
  const { seed, records, perSecond, timeoutMs, log = () => undefined } = options;
  const begun = Date.now();
  await using scene = await createScene({
    partitions: 8,
    ...(options.stack === undefined ? {} : { stack: options.stack }),
  });
  const { temporal } = await loadConfig({ file: scene.project.configPath });
  await registerSearchAttributes(temporal);
  const mended = join(scene.project.dir, 'mended');
  const produced = Array.from({ length: records }, (_, n) => ({
    key: `k${n}`,
    event: { n, sleepMs: 50, failWithout: mended } satisfies WorkEvent,
    partition: n % 8,
  }));
  const workers = new Set<StartedProcess>();
  let started = 0;
  const startWorker = () => void workers.add(scene.worker(`worker-${++started}`));
  startWorker();
  startWorker();
  scene.bridge();
  await scene.produce(produced.map((one) => keyed(one.key, one.event, one.partition)));
  const dead = await executionsOf(scene, 'ExecutionStatus = "Failed"', records, timeoutMs);
  log(`${dead.length} dead letters`);

  const callsBefore = scene.handled().calls.length;
  const after = () => scene.handled().calls.slice(callsBefore);
  writeFileSync(mended, '');
  const replay = ktbReplay(scene, perSecond, timeoutMs);
  // Strikes hit the replayed work, not the look at what there is to replay.
  await until(() => after().length, { what: 'the first call after the mend', timeoutMs });
  const kills = killLoop({
    seed,
    everyMs: options.killEveryMs,
    times: options.workerKills,
    targets: () => [...workers],
    revive: (victim) => {
      workers.delete(victim);
      startWorker();
    },
    onStrike: ({ victim, atMs }) => log(`killed ${victim} after ${atMs} ms`),
  });
  const { code } = await replay.exited;
  if (code !== 0) log(replay.output.slice(-2_000));
  await kills.done;

  const deadRuns = new Set(dead.map(({ runId }) => runId));
  const all = await executionsOf(scene, 'ExecutionStatus = "Completed"', records, timeoutMs);
  // Every other run too, however it stands: a second Reset of one would be seen here.
  const runs = [...all, ...(await scene.executions('ExecutionStatus != "Completed"'))].filter(
    ({ runId }) => !deadRuns.has(runId),
  );
  const times = await resetTimes(scene.client, runs);
  const judged = verdict({
    produced: produced.map(({ key, event }) => ({ key, valueHash: valueHash(event) })),
    handled: after(),
    executions: runs,
    keyOf: ({ workflowId }) => workflowId.slice(`${scene.name}:`.length),
  });
  const ended = after().filter(({ outcome }) => outcome === 'ended').length;
  return {
    seed,
    records,
    kills: kills.strikes,
    verdict: judged,
    // A worker that is killed between a call's end and its completion leaves one more, which is the verdict's to explain.
    handledTwice: Math.max(0, ended - records - judged.repeats.completionLost),
    command: {
      exitCode: code,
      completed: Number(/^ *(\d+) {2}completed$/m.exec(replay.stdout)?.[1] ?? 0),
      jobs: replay.stderr.match(/^Job on the server: /gm)?.length ?? 0,
    },
    rate: rateOf(times, perSecond),
    seconds: Math.round((Date.now() - begun) / 1000),
  };
}

function ktbReplay(scene: Scene, perSecond: number | undefined, timeoutMs: number): StartedProcess {
  const rate = perSecond === undefined ? [] : ['--rate', String(perSecond)];
  const wait = ['--wait', String(Math.ceil(timeoutMs / 1000))];
  return startKtb('ktb replay', ['replay', '--query', QUERY, '--yes', ...rate, ...wait], {
    config: scene.project.configPath,
    cwd: scene.project.dir,
    env: scene.env,
  });
}

/** Visibility lags: when so many are seen, all are that there will be. */
function executionsOf(scene: Scene, query: string, count: number, timeoutMs: number) {
  return until(() => scene.executions(query), {
    what: `visibility to list ${count} executions of ${query}`,
    timeoutMs,
    everyMs: 1_000,
    accept: (seen) => seen.length >= count,
  });
}

function rateOf(times: readonly number[], asked: number | undefined): ResetRate {
  const most = mostInASecond(times);
  return {
    asked: asked ?? null,
    tolerance: TOLERANCE,
    mostInASecond: most,
    resets: times.length,
    kept: asked === undefined || most <= asked + TOLERANCE,
  };
}
