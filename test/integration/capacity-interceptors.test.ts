/** Our interceptors in users' workflows that ran before them, and in Workers that don't know them. */
import { join } from 'node:path';
import test from 'ava';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Client } from '@temporalio/client';
import { HINT_MODULE_PATH } from '../../bridge/own-worker.js';
import { writeProject, type Project } from '../helpers/project.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, historyOf, type History } from '../helpers/temporal.js';

const WORKFLOWS = `
import { CancellationScope, executeChild, proxyActivities, proxyLocalActivities, sleep, workflowInfo } from '@temporalio/workflow';
import { releaseCapacity } from 'kafka-temporal-bridge/workflow';
const { add, fail } = proxyActivities({ startToCloseTimeout: '30s', retry: { maximumAttempts: 1 } });
const local = proxyLocalActivities({ startToCloseTimeout: '30s' });
export async function everything() {
  const sums = await Promise.all([add(1, 2), local.add(3, 4), CancellationScope.withTimeout('1h', () => add(5, 6))]);
  releaseCapacity();
  const raced = await Promise.race([sleep('1h').then(() => 'late'), add(7, 8)]);
  const failed = await fail().catch((error) => error.name);
  await sleep(1);
  const child = await executeChild(small, { workflowId: workflowInfo().workflowId + '/child' });
  return [...sums, raced, failed, child].join();
}
export const small = async () => add(9, 10);
`;

const EXPECTED = '3,7,11,15,ActivityFailure,19';
const activities = {
  add: async (a: number, b: number) => a + b,
  fail: async () => Promise.reject(new Error('no')),
};

let project: Project;
let client: Client;
let connection: NativeConnection;
let namespace: string;
const said: string[] = [];

test.before(async () => {
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ message }) => void said.push(message)),
  });
  const { temporal } = await testStack();
  namespace = temporal.namespace;
  client = await connectTemporal(temporal);
  connection = await NativeConnection.connect({ address: temporal.address });
  project = writeProject({ config: '', workflows: WORKFLOWS });
});
test.after.always(async () => {
  project?.remove();
  await connection?.close();
  await client?.connection.close();
});

const bundle = (modules: string[]) =>
  bundleWorkflowCode({
    workflowsPath: join(project.dir, 'workflows', 'index.ts'),
    workflowInterceptorModules: modules,
    logger: new DefaultLogger('WARN'),
  });

interface Run {
  readonly result: string;
  readonly history: History;
  readonly workflowId: string;
}

/** Runs it in a Worker that has no sinks, as a record with a slot. */
async function run(modules: string[]): Promise<Run> {
  const [taskQueue, workflowId] = [unique('interceptors'), unique('everything')];
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    activities,
    workflowBundle: await bundle(modules),
  });
  const options = { workflowId, taskQueue, memo: { slot: 'bridge.0:1' } };
  const result = await worker.runUntil(client.workflow.execute<() => Promise<string>>('everything', options));
  return { result, history: await historyOf(client, workflowId), workflowId };
}

test.serial('what ran without our interceptors replays with them, under a slot', async (t) => {
  const { result, history, workflowId } = await run([]);
  t.is(result, EXPECTED);
  await t.notThrowsAsync(async () =>
    Worker.runReplayHistory({ workflowBundle: await bundle([HINT_MODULE_PATH]) }, history, workflowId),
  );
});

test.serial(
  'a Worker without our sinks does its work all the same, and it replays without our interceptors',
  async (t) => {
    said.length = 0;
    const { result, history, workflowId } = await run([HINT_MODULE_PATH]);
    t.is(result, EXPECTED);
    t.true(said.includes('Workflow referenced an unregistered external sink'), "the SDK's own word for it");
    await t.notThrowsAsync(async () =>
      Worker.runReplayHistory({ workflowBundle: await bundle([]) }, history, workflowId),
    );
  },
);

test.serial('a workflow without a slot tells nothing', async (t) => {
  said.length = 0;
  const taskQueue = unique('interceptors');
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    activities,
    workflowBundle: await bundle([HINT_MODULE_PATH]),
  });
  const options = { workflowId: unique('small'), taskQueue, memo: { slot: 'nonsense' } };
  t.is(await worker.runUntil(client.workflow.execute('small', options)), 19);
  t.false(said.includes('Workflow referenced an unregistered external sink'));
});
