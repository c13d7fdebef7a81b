import { ownTaskQueue } from '../../../workflows/contract.js';
import type { Poller, TaskKind } from '../../temporal/inspector-port.js';
import { counted, spanText, type Check, type Checkup } from './checkup.js';
import { ok, problem, warning, type Observation } from './finding.js';

/** A poll lasts up to 60 s, and the server remembers pollers for 5 minutes. */
const LIVE_MS = 90_000;

export function live(pollers: readonly Poller[], now: number): readonly Poller[] {
  return pollers.filter(({ lastSeenAt }) => lastSeenAt > now - LIVE_MS);
}

interface Need {
  readonly queue: string;
  readonly kind: TaskKind;
  /** What must be started for it. */
  readonly advice: string;
}

export const workersCheck: Check = {
  name: 'workers',
  needs: ['temporal'],
  look: async (checkup) => {
    const found = await Promise.all(needsOf(checkup).map((need) => polledBy(checkup, need)));
    const missing = found.filter((one): one is Observation => 'level' in one);
    if (missing.length > 0) return missing;
    const workers = new Set(found.flatMap((one) => ('level' in one ? [] : one.identities)));
    const queues = [...new Set(needsOf(checkup).map(({ queue }) => queue))];
    return [ok(`${counted(workers.size, 'worker')} poll ${queues.join(', ')}`)];
  },
};

function needsOf(checkup: Checkup): readonly Need[] {
  const { config, foreignQueues } = checkup;
  const { taskQueue } = config.temporal;
  const own = 'Start `ktb worker` with this configuration: it polls both queues.';
  const usesUsers = config.routes.some(
    ({ target }) => target.kind === 'workflow' && (target.options.taskQueue ?? taskQueue) === taskQueue,
  );
  return [
    ...(usesUsers ? [{ queue: taskQueue, kind: 'workflow', advice: own } as const] : []),
    { queue: ownTaskQueue(taskQueue), kind: 'workflow', advice: own },
    { queue: ownTaskQueue(taskQueue), kind: 'activity', advice: own },
    ...[...foreignQueues].map(([queue, routes]): Need => ({
      queue,
      kind: 'workflow',
      advice: `Start the worker of ${routes.map((id) => `route \`${id}\``).join(', ')}, or correct \`options.taskQueue\` there.`,
    })),
  ];
}

async function polledBy(
  checkup: Checkup,
  { queue, kind, advice }: Need,
): Promise<Observation | { readonly identities: readonly string[] }> {
  const { pollers } = await checkup.taskQueue(queue, kind);
  const now = checkup.now();
  const polling = live(pollers, now);
  if (polling.length > 0) return { identities: polling.map(({ identity }) => identity) };
  const last = Math.max(...pollers.map(({ lastSeenAt }) => lastSeenAt));
  const since = pollers.length === 0 ? '' : ` (the last one did ${spanText(now - last)} ago)`;
  return problem(`No worker polls ${queue} for ${kind} tasks${since}: what comes there waits`, advice);
}

export const backlogCheck: Check = {
  name: 'backlog',
  needs: ['temporal'],
  look: async (checkup) => {
    const { maxBacklog } = checkup.config;
    const queues = [...checkup.workerQueues, ...checkup.foreignQueues.keys()];
    const facts = await Promise.all(
      queues.flatMap((queue) => [checkup.taskQueue(queue, 'workflow'), checkup.taskQueue(queue, 'activity')]),
    );
    const waiting = facts.reduce((sum, { backlog }) => sum + backlog, 0);
    const limit = `\`maxBacklog\` is ${maxBacklog}`;
    return waiting > maxBacklog
      ? [
          warning(
            `${counted(waiting, 'task')} wait for a worker, and ${limit}: the bridge takes nothing from Kafka until half of that`,
            'Start more workers, or look at what holds the ones that run; a limit for more workers than this is `maxBacklog`.',
          ),
        ]
      : [ok(`${counted(waiting, 'task')} wait for a worker (${limit})`)];
  },
};
