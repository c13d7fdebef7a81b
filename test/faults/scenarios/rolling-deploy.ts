import { committedOffsets, logEnds } from '../../helpers/kafka.js';
import type { TestStack } from '../../helpers/stack.js';
import { until } from '../../helpers/until.js';
import { ConstantLoad } from '../constant-load.js';
import { valueHash } from '../handlers-record.js';
import { LagWatch } from '../lag-watch.js';
import type { ProcessExit, StartedProcess } from '../process.js';
import { createScene, type WorkEvent } from '../scene.js';
import { verdict, type Verdict } from '../verdict.js';

export interface RollingDeployOptions {
  /** @default the shared stack */
  readonly stack?: TestStack;
  /** The load, well below what the machine can do. */
  readonly perSecond: number;
  /** The load goes on until at least so many are sent. */
  readonly records: number;
  readonly partitions: number;
  /** How often each of the two workers and two bridges is replaced. */
  readonly rounds: number;
  readonly timeoutMs: number;
  readonly log?: (line: string) => void;
}

/** One process that was drained, and the one that took its place. */
export interface Replacement {
  readonly who: string;
  readonly exit: ProcessExit;
  /** From SIGTERM to its end. */
  readonly drainedMs: number;
  /** Records behind: before SIGTERM, and the most from then until it was back. */
  readonly lagBefore: number;
  readonly lagMost: number;
  /** From the start of the new process, its own start-up included, until lag was back: at `lagBefore`, or a second's load. */
  readonly lagBackMs: number;
}

export interface RollingDeployReport {
  readonly perSecond: number;
  readonly replacements: readonly Replacement[];
  readonly slowestBackMs: number;
  /** Every process that was drained ended with exit code 0. */
  readonly drainedInOrder: boolean;
  readonly verdict: Verdict;
  readonly seconds: number;
}

/** What lag is "before": the most of so long, since under a constant load it swings with sends and commits. */
const STEADY_MS = 3_000;
const LOOKS = 6;
/** From there on it is told what was seen meanwhile. */
const SLOW_MS = 30_000;
/** What a process says when it works. */
const READY = { bridge: /"msg":"joined the group"/, worker: /"msg":"polling"/ } as const;

/**
 * A deploy under a constant load: each of two workers and two bridges is drained (SIGTERM) and replaced, one after the
 * other. Nothing may be lost or handled twice, and after each replacement lag must come back to where it was.
 */
export async function rollingDeploy(options: RollingDeployOptions): Promise<RollingDeployReport> {
  const { perSecond, records, partitions, rounds, timeoutMs, log = () => undefined } = options;
  const begun = Date.now();
  await using scene = await createScene({
    partitions,
    ...(options.stack === undefined ? {} : { stack: options.stack }),
  });
  let count = 0;
  const start = {
    bridge: () => scene.bridge(`bridge-${++count}`),
    worker: () => scene.worker(`worker-${++count}`),
  };
  const fleet = (['worker', 'worker', 'bridge', 'bridge'] as const).map((kind) => ({
    kind,
    process: start[kind](),
  }));
  await Promise.all(fleet.map(({ kind, process }) => process.waitForOutput(READY[kind], timeoutMs)));
  await using load = new ConstantLoad(scene, {
    perSecond,
    event: (n): WorkEvent => ({ n, sleepMs: 50 }),
    partition: (n) => n % partitions,
  });
  await using lag = new LagWatch(scene);
  await until(() => scene.handled().calls.length, {
    what: 'the load to be handled',
    timeoutMs,
    accept: (calls) => calls >= 20,
  });

  const replace = async (old: StartedProcess, kind: 'bridge' | 'worker') => {
    const steadySince = performance.now();
    await until(() => lag.looksSince(steadySince), {
      what: 'the lag to be known',
      timeoutMs,
      accept: (looks) => looks >= LOOKS && performance.now() - steadySince >= STEADY_MS,
    });
    const lagBefore = lag.mostSince(steadySince);
    const drainBegun = performance.now();
    const exit = await old.term({ timeoutMs });
    const replacedAt = performance.now();
    const next = start[kind]();
    await next.waitForOutput(READY[kind], timeoutMs);
    const explain = () => {
      for (const line of [...lag.trailSince(drainBegun), ...linesOf(fleet, next)]) log(line);
    };
    // What comes in a second is always under way: between two sends, a fetch and a commit.
    const back = await lag
      .backTo(Math.max(lagBefore, perSecond), performance.now(), timeoutMs)
      .catch((error: unknown) => {
        explain();
        throw error;
      });
    const replacement: Replacement = {
      who: `${old.name} by ${next.name}`,
      exit,
      drainedMs: Math.round(replacedAt - drainBegun),
      lagBefore,
      lagMost: lag.mostSince(drainBegun),
      lagBackMs: Math.round(back - replacedAt),
    };
    log(JSON.stringify(replacement));
    if (replacement.lagBackMs > SLOW_MS) explain();
    return { next, replacement };
  };
  const replacements: Replacement[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const member of fleet) {
      const { next, replacement } = await replace(member.process, member.kind);
      member.process = next;
      replacements.push(replacement);
    }
  }

  await until(() => load.sent.length, {
    what: `${records} records to be sent`,
    timeoutMs,
    accept: (sent) => sent >= records,
  });
  const sent = await load.stop();
  await scene.committedToEnd(timeoutMs);
  const executions = await until(() => scene.executions(), {
    what: `${sent.length} executions to have closed`,
    timeoutMs,
    everyMs: 500,
    accept: (seen) => seen.length >= sent.length && seen.every(({ status }) => status.name !== 'RUNNING'),
  });
  const { brokers } = scene.stack.kafka;
  return {
    perSecond,
    replacements,
    slowestBackMs: Math.max(...replacements.map(({ lagBackMs }) => lagBackMs)),
    drainedInOrder: replacements.every(({ exit }) => exit.code === 0),
    verdict: verdict({
      produced: sent.map(({ key, event }) => ({ key, valueHash: valueHash(event) })),
      handled: scene.handled().calls,
      executions,
      keyOf: ({ workflowId }) => workflowId.slice(`${scene.name}:`.length),
      committed: await committedOffsets(brokers, scene.groupId, scene.topic),
      logEnd: await logEnds(brokers, scene.topic),
    }),
    seconds: Math.round((Date.now() - begun) / 1000),
  };
}

/** What the bridges have said last. */
function linesOf(fleet: readonly { readonly process: StartedProcess }[], next: StartedProcess): string[] {
  return [...new Set([...fleet.map(({ process }) => process), next])]
    .filter(({ name }) => name.startsWith('bridge'))
    .flatMap(({ name, stderr }) => {
      const lines = stderr.trimEnd().split('\n');
      const isCount = (line: string) => line.includes('"msg":"counts"');
      // The last counts tell whether workers were too slow (`gates`, `backlog`), which is no fault of a deploy.
      return [...lines.filter((line) => !isCount(line)).slice(-20), ...lines.filter(isCount).slice(-1)].map(
        (line) => `${name}: ${line.slice(0, 400)}`,
      );
    });
}
