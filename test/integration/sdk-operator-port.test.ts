import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import test from 'ava';
import type { ResolvedConfig } from '../../bridge/config/resolved.js';
import { SdkOperatorPort } from '../../bridge/temporal/sdk-operator-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { SCRIPTED, TELL } from '../helpers/scripted/steps.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, plainTemporal } from '../helpers/temporal.js';
import {
  activities,
  operatorPortContract,
  type OperatorUnderTest,
} from '../temporal/operator-port-contract.js';

async function configOf(): Promise<ResolvedConfig['temporal']> {
  return plainTemporal((await testStack()).temporal);
}

interface Opened extends OperatorUnderTest {
  close(): Promise<void>;
}

let opened: Promise<Opened> | undefined;

/** One port, and one worker, for all tests of this file. */
function open(): Promise<Opened> {
  return (opened ??= (async () => {
    const config = await configOf();
    const logger = new DefaultLogger('ERROR');
    Runtime.install({ logger });
    const workflowsPath = fileURLToPath(new URL('../helpers/scripted/workflow.ts', import.meta.url));
    const taskQueue = unique('operated');
    const connection = await NativeConnection.connect({ address: config.address });
    const worker = await Worker.create({
      connection,
      namespace: config.namespace,
      taskQueue,
      workflowBundle: await bundleWorkflowCode({ workflowsPath, logger }),
      activities: Object.fromEntries(
        Object.entries(activities).map(([name, call]) => [name, async (id: string) => call(id, [])]),
      ),
    });
    const running = worker.run();
    const client = await connectTemporal((await testStack()).temporal);
    const port = new SdkOperatorPort(config);
    return {
      port,
      taskQueue,
      start: async ({ workflowId, steps, memo, workflowRunTimeoutMs, ...start }) => {
        const handle = await client.workflow.start(SCRIPTED, {
          workflowId,
          taskQueue: start.taskQueue,
          args: [steps],
          ...(memo === undefined ? {} : { memo }),
          ...(workflowRunTimeoutMs === undefined ? {} : { workflowRunTimeout: workflowRunTimeoutMs }),
        });
        return handle.firstExecutionRunId;
      },
      terminate: async (workflowId) => void (await client.workflow.getHandle(workflowId).terminate('test')),
      tell: (workflowId, what) => client.workflow.getHandle(workflowId).signal(TELL, what),
      cancel: async (workflowId) => void (await client.workflow.getHandle(workflowId).cancel()),
      close: async () => {
        worker.shutdown();
        await running;
        await connection.close();
        await client.connection.close();
        await port.close();
      },
    };
  })());
}

test.after.always(async () => {
  await (await opened)?.close();
});

operatorPortContract(test, open);

test('a server that is away is a systemic fault of every call, and the port can be made meanwhile', async (t) => {
  const port = new SdkOperatorPort({ ...(await configOf()), address: '127.0.0.1:1' });
  const runId = randomUUID();
  const calls = [
    port.list('WorkflowId = "x"')[Symbol.asyncIterator]().next(),
    port.inspect('x'),
    port.closing('x', runId),
    port.events('x', runId),
    port.input('x', runId),
    port.reset({ workflowId: 'x', runId, eventId: 4, reason: 'x', requestId: 'x', reapply: 'all' }),
    port.startAgain('x', runId, []),
    port.startResetJob({
      jobId: 'x',
      executions: [{ workflowId: 'x', runId }],
      eventId: 4,
      reason: 'x',
      reapply: 'all',
    }),
    port.job('x'),
    port.pollers('x'),
  ];
  for (const fault of await Promise.allSettled(calls)) {
    t.is(fault.status, 'rejected');
    if (fault.status === 'rejected') t.true(fault.reason instanceof TemporalFault, String(fault.reason));
    if (fault.status === 'rejected') t.is((fault.reason as TemporalFault).kind, 'systemic');
  }
  await port.close();
});

test('a namespace that is missing is a systemic fault, not an execution that is unknown', async (t) => {
  const port = new SdkOperatorPort({ ...(await configOf()), namespace: unique('nowhere') });
  const fault = await t.throwsAsync(port.inspect('x'), { instanceOf: TemporalFault });
  t.like(fault, { kind: 'systemic', status: 'NOT_FOUND' });
  await port.close();
});
