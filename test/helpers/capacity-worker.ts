import { fileURLToPath } from 'node:url';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { ownTaskQueue } from '../../workflows/contract.js';
import { testStack } from './stack.js';

const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** A Worker in this process that runs our workflows, and no activity, on a task queue's own queue. */
export interface CapacityWorker extends AsyncDisposable {
  stop(): Promise<void>;
}

export async function capacityWorker(taskQueue: string): Promise<CapacityWorker> {
  const { address, namespace } = (await testStack()).temporal;
  if (bundle === undefined) Runtime.install({ logger: new DefaultLogger('WARN') });
  bundle ??= bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: ownTaskQueue(taskQueue),
    workflowBundle: await bundle,
  });
  const running = worker.run();
  const stop = async (): Promise<void> => {
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
    await connection.close().catch(() => undefined);
  };
  return { stop, [Symbol.asyncDispose]: stop };
}
