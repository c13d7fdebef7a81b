import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import test from 'ava';
import { startProcess } from '../faults/process.js';
import {
  committedOffsets,
  createTopic,
  deleteTopic,
  kafkaClient,
  logEnds,
  produce,
  readAll,
} from './kafka.js';
import { writeProject } from './project.js';
import { testStack, unique } from './stack.js';
import {
  connectTemporal,
  historyOf,
  listExecutions,
  resetTo,
  terminateAll,
  waitForCount,
} from './temporal.js';
import { until } from './until.js';

test('what is produced is read back from where it was said to stand', async (t) => {
  t.timeout(300_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('helpers'), {
    partitions: 3,
    config: { 'retention.ms': '600000' },
  });
  const messages = Array.from({ length: 2500 }, (_, index) => ({
    partition: index % 3,
    key: `k${index}`,
    value: `v${index}`,
    headers: { 'idempotency-key': `i${index}` },
    timestamp: 1_700_000_000_000 + index,
  }));
  const produced = await produce(brokers, topic, messages);
  t.deepEqual(produced[2499], { partition: 0, offset: 833n });
  t.deepEqual(
    (await logEnds(brokers, topic)).map(({ offset }) => offset),
    [834n, 833n, 833n],
  );
  const read = await readAll(brokers, topic);
  t.is(read.length, 2500);
  t.like(read[1], { partition: 0, offset: 1n, timestamp: 1_700_000_000_003 });
  t.is(read[1]?.value?.toString(), 'v3');
  t.is(read[1]?.headers['idempotency-key']?.toString(), 'i3');
  await t.throwsAsync(createTopic(brokers, topic), { message: /to be new/ });
  await deleteTopic(brokers, topic);
  t.deepEqual(await readAll(brokers, await createTopic(brokers, topic)), []);
});

test('a log that ends in a transaction marker is read to its end', async (t) => {
  t.timeout(300_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('helpers'));
  const producer = kafkaClient(brokers).producer({
    transactionalId: topic,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, messages: [{ partition: 0, value: 'one' }] });
  await transaction.commit();
  await producer.disconnect();
  t.is((await logEnds(brokers, topic))[0]?.offset, 2n);
  t.deepEqual(
    (await readAll(brokers, topic)).map(({ value }) => value?.toString()),
    ['one'],
  );
});

test('committed offsets come with their metadata, and -1 where there are none', async (t) => {
  t.timeout(300_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('helpers'), { partitions: 2 });
  const group = unique('group');
  await produce(brokers, topic, [{ value: 'a' }, { value: 'b' }]);
  const consumer = kafkaClient(brokers).consumer({ groupId: group, maxWaitTimeInMs: 100 });
  await consumer.connect();
  t.teardown(() => consumer.disconnect());
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async () =>
      consumer.commitOffsets([{ topic, partition: 0, offset: '1', metadata: 'a note' } as never]),
  });
  const offsets = await until(async () => committedOffsets(brokers, group, topic), {
    what: 'the commit',
    accept: ([first]) => first?.offset === 1n,
  });
  t.deepEqual(offsets, [
    { topic, partition: 0, offset: 1n, metadata: 'a note' },
    { topic, partition: 1, offset: -1n, metadata: '' },
  ]);
});

test('executions are listed, counted, reset and terminated; a project is bundled', async (t) => {
  t.timeout(300_000);
  const { temporal } = await testStack();
  using project = writeProject({
    config: 'export default {};',
    workflows: `
      import { condition, proxyActivities } from '@temporalio/workflow';
      import type * as activities from '../activities/index.js';
      const { double } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });
      export async function twice(n: number): Promise<number> { return double(n); }
      export async function forever(): Promise<void> { await condition(() => false); }`,
    activities: `export async function double(n: number): Promise<number> { return 2 * n; }`,
  });
  const logger = new DefaultLogger('ERROR');
  Runtime.install({ logger, telemetryOptions: { logging: { filter: 'ERROR' } } });
  const taskQueue = unique('queue');
  const connection = await NativeConnection.connect({ address: temporal.address });
  const client = await connectTemporal(temporal);
  t.teardown(async () => {
    await connection.close();
    await client.connection.close();
  });
  const worker = await Worker.create({
    connection,
    namespace: temporal.namespace,
    taskQueue,
    workflowBundle: await bundleWorkflowCode({ workflowsPath: `${project.dir}/workflows/index.ts`, logger }),
    activities: (await import(pathToFileURL(`${project.dir}/activities/index.ts`).href)) as object,
  });
  await worker.runUntil(async () => {
    const workflowId = unique('twice');
    const handle = await client.workflow.start('twice', { workflowId, taskQueue, args: [4] });
    t.is(await handle.result(), 8);
    const query = `TaskQueue = '${taskQueue}'`;
    await waitForCount(client, `${query} AND ExecutionStatus = 'Completed'`, 1);
    t.is((await listExecutions(client, query))[0]?.workflowId, workflowId);

    const history = await historyOf(client, workflowId);
    t.true((history.events?.length ?? 0) > 8);
    const runId = await resetTo(client, workflowId, 4);
    t.not(runId, handle.firstExecutionRunId);
    t.is(await client.workflow.getHandle(workflowId, runId).result(), 8);

    await client.workflow.start('forever', { workflowId: unique('forever'), taskQueue });
    await waitForCount(client, `${query} AND ExecutionStatus = 'Running'`, 1);
    t.is(await terminateAll(client, query), 1);
    await waitForCount(client, `${query} AND ExecutionStatus = 'Terminated'`, 1);
  });
});

test('a project imports the package by its name, and is gone afterwards', async (t) => {
  const project = writeProject({ config: '' });
  project.write(
    'main.ts',
    `const made: typeof import('kafka-temporal-bridge') = await import('kafka-temporal-bridge'); console.log(typeof made.defineConfig);`,
  );
  const child = startProcess({
    name: 'project',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), `${project.dir}/main.ts`],
    cwd: project.dir,
  });
  await child.exited;
  t.is(child.output, 'function\n');
  project.remove();
  t.false(existsSync(project.dir));
});
