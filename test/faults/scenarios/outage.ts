import type { LocalStack } from '../../../bridge/local-stack/local-stack.js';
import { countExecutions } from '../../helpers/temporal.js';
import { committedOffsets, logEnds } from '../../helpers/kafka.js';
import { until } from '../../helpers/until.js';
import { createScene, keyed } from '../scene.js';
import { verdict, type Verdict } from '../verdict.js';

export interface OutageOptions {
  /** Servers of one's own: they are killed and stopped. */
  readonly stack: LocalStack;
  readonly who: readonly ('kafka' | 'temporal' | 'worker')[];
  /** SIGKILL, or SIGSTOP so that connections hang. */
  readonly how: 'killed' | 'stopped';
  readonly forMs: number;
  readonly records: number;
  readonly timeoutMs: number;
}

export interface OutageReport {
  readonly who: string;
  readonly how: string;
  readonly forMs: number;
  readonly verdict: Verdict;
  readonly quarantined: number;
  /** From the end of the outage until everything was committed. */
  readonly recoveredMs: number;
}

/** A third of the records before, a third during (where Kafka is there), a third after: nothing lost, nothing quarantined. */
export async function outage(options: OutageOptions): Promise<OutageReport> {
  const { stack, who, how, forMs, records, timeoutMs } = options;
  await using scene = await createScene({
    stack,
    partitions: 4,
    kafka: 'sessionTimeoutMs: 10000,',
    config: 'circuit: { halfOpenAfterMs: 2000 },',
  });
  const all = Array.from({ length: records }, (_, n) => ({ key: `k${n}`, event: { n }, partition: n % 4 }));
  const third = Math.floor(records / 3);
  const send = (from: number, to: number) =>
    scene.produce(all.slice(from, to).map((one) => keyed(one.key, one.event, one.partition)));
  scene.bridge();
  let worker = scene.worker();
  await send(0, third);
  await until(() => scene.handled().calls.length, {
    what: 'the first handler calls',
    timeoutMs: 120_000,
    accept: (calls) => calls >= 5,
  });

  const servers = { kafka: stack.kafka.server!, temporal: stack.temporal.server! };
  for (const one of who) {
    const signal = how === 'killed' ? 'SIGKILL' : 'SIGSTOP';
    if (one === 'worker') worker.signal(signal);
    else servers[one].signal(signal);
  }
  const since = performance.now();
  // Kafka's own clients wait, too: what is sent during the outage is there when it is over.
  const during = who.includes('kafka') ? undefined : send(third, 2 * third);
  await until(() => performance.now() - since, {
    what: 'the outage to last',
    timeoutMs: forMs + 60_000,
    everyMs: 100,
    accept: (ms) => ms >= forMs,
  });
  await Promise.all(
    who.map(async (one) => {
      if (one === 'worker') {
        if (how === 'killed') worker = scene.worker('worker-2');
        else worker.cont();
      } else if (how === 'killed') await servers[one].restart({ timeoutMs: 120_000 });
      else servers[one].signal('SIGCONT');
    }),
  );
  const over = performance.now();
  await during;
  await send(during === undefined ? third : 2 * third, records);
  await scene.committedToEnd(timeoutMs);
  const recoveredMs = Math.round(performance.now() - over);
  const executions = await until(
    () => scene.executions('WorkflowType = "work" AND ExecutionStatus = "Completed"'),
    {
      what: `${records} completed executions`,
      timeoutMs,
      everyMs: 500,
      accept: (seen) => seen.length >= records,
    },
  );
  const prefix = `${scene.name}:`;
  return {
    who: who.join(' and '),
    how,
    forMs,
    recoveredMs,
    quarantined: await countExecutions(
      scene.client,
      `TaskQueue = "${scene.taskQueue}-ktb" AND WorkflowType = "ktbQuarantine"`,
    ),
    verdict: verdict({
      produced: all.map(({ key }) => ({ key })),
      handled: scene.handled().calls,
      executions,
      keyOf: ({ workflowId }) => workflowId.slice(prefix.length),
      committed: await committedOffsets(stack.kafka.brokers, scene.groupId, scene.topic),
      logEnd: await logEnds(stack.kafka.brokers, scene.topic),
    }),
  };
}
