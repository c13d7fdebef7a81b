import { ownTaskQueue } from '../../../workflows/contract.js';
import type { Poller, TaskKind } from '../../temporal/inspector-port.js';
import { counted, spanText, type Check, type Checkup } from './checkup.js';
import { ok, problem, warning } from './finding.js';

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
    const looks = await Promise.all(
      needsOf(checkup).map(async (need) => {
        const { pollers } = await checkup.taskQueue(need.queue, need.kind);
        return { ...need, pollers, polling: live(pollers, checkup.now()) };
      }),
    );
    const unpolled = looks.filter(({ polling }) => polling.length === 0);
    const todo = new Set(unpolled.map(({ advice }) => advice));
    if (todo.size > 0) {
      return [...todo].map((advice) => {
        const named = unpolled
          .filter((one) => one.advice === advice)
          .map(
            ({ queue, kind, pollers }) => `${queue} for ${kind} tasks${sinceText(pollers, checkup.now())}`,
          );
        return problem(`No worker polls ${named.join(', ')}: what comes there waits`, advice);
      });
    }
    const workers = new Set(looks.flatMap(({ polling }) => polling.map(({ identity }) => identity)));
    const queues = new Set(looks.map(({ queue }) => queue));
    return [ok(`${[...queues].join(', ')}: polled by ${counted(workers.size, 'worker')}`)];
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

function sinceText(pollers: readonly Poller[], now: number): string {
  if (pollers.length === 0) return '';
  const last = Math.max(...pollers.map(({ lastSeenAt }) => lastSeenAt));
  return ` (the last one did ${spanText(now - last)} ago)`;
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
    const message = `Waiting for a worker: ${counted(waiting, 'task')} (\`maxBacklog\` is ${maxBacklog})`;
    return waiting > maxBacklog
      ? [
          warning(
            `${message}: the bridge takes nothing from Kafka until half of that`,
            'Start more workers, or look at what holds the ones that run; a limit for more workers than this is `maxBacklog`.',
          ),
        ]
      : [ok(message)];
  },
};
