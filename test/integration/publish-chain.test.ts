/** Two bridges in a chain: what the first one's workflows publish starts the second one's. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { chain } from '../faults/scenarios/chain.js';
import { startKtb } from '../faults/process.js';
import { createScene, keyed } from '../faults/scene.js';
import { createTopic, readAll } from '../helpers/kafka.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

test('`ktb replay --from start` of a workflow that has published starts nothing new behind the topic', async (t) => {
  t.timeout(300_000);
  const topic = unique('between');
  await using first = await createScene({
    partitions: 1,
    workflows: `
import { proxyActivities } from '@temporalio/workflow';
import { publish, publishAll } from 'kafka-temporal-bridge/workflow';
const { handle } = proxyActivities({ startToCloseTimeout: '30s', retry: { maximumAttempts: 1 } });
export async function work(event, record) {
  await publish('${topic}', { n: event.n }, { name: 'alone' });
  await publishAll(['left', 'right'].map((name) => ({ topic: '${topic}', event: { n: event.n, name }, name })));
  await handle(event, record);
}`,
  });
  const { brokers } = first.stack.kafka;
  await createTopic(brokers, topic, { partitions: 2 });
  await using second = await createScene({ topic });
  for (const scene of [first, second]) {
    scene.worker();
    scene.bridge();
  }
  const mended = join(first.project.dir, 'mended');
  await first.produce([keyed('A', { n: 1, failWithout: mended }), keyed('B', { n: 2, failWithout: mended })]);
  const ended = (scene: typeof first, status: string, count: number) =>
    until(() => scene.executions(`ExecutionStatus = "${status}"`), {
      what: `${count} executions ${status}`,
      timeoutMs: 180_000,
      accept: ({ length }) => length >= count,
    });
  await ended(first, 'Failed', 2);
  await ended(second, 'Completed', 6);
  writeFileSync(mended, '');
  const replay = startKtb('ktb replay', ['replay', 'A', 'B', '--from', 'start', '--yes', '--wait', '180'], {
    config: first.project.configPath,
    cwd: first.project.dir,
    env: first.env,
  });
  t.is((await replay.exited).code, 0, replay.output);
  await ended(first, 'Completed', 2);
  t.is((await readAll(brokers, topic)).length, 12, 'both published all of it once more');
  await second.committedToEnd();
  const executions = await second.executions();
  t.is(executions.length, 6, 'and nothing was started by it');
  t.is(second.handled().calls.length, 6);
});

test('a chain of two bridges is once from end to end, whatever bridges and workers are killed', async (t) => {
  t.timeout(480_000);
  const report = await chain({
    seed: 20261124,
    records: 120,
    partitions: 4,
    bridgeKills: 2,
    workerKills: 2,
    killEveryMs: [1_500, 4_000],
    timeoutMs: 240_000,
    log: (line) => t.log(line),
  });
  t.deepEqual(report.first.wrongs, []);
  t.deepEqual(report.second.wrongs, []);
  t.is(report.second.unique, 360);
  t.is(report.kills.length, 4);
  t.deepEqual(report.torn, []);
});
