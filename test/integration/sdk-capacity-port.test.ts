import { mkdirSync, writeFileSync } from 'node:fs';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import test, { type ExecutionContext } from 'ava';
import { SdkCapacityPort } from '../../bridge/temporal/sdk-capacity-port.js';
import { capacityWorkflowId, type Lease } from '../../workflows/capacity/contract.js';
import { capacityWorker, type CapacityWorker } from '../helpers/capacity-worker.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, historyOf, listExecutions, plainTemporal } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';
import {
  capacityPortContract,
  leaseRequest,
  workerReport,
  type CapacityUnderTest,
} from '../temporal/capacity-port-contract.js';

interface Opened extends CapacityUnderTest {
  readonly port: SdkCapacityPort;
  readonly taskQueue: string;
  startWorker(): Promise<void>;
}

const opened: { port: SdkCapacityPort; worker: CapacityWorker | undefined }[] = [];
let client: Awaited<ReturnType<typeof connectTemporal>> | undefined;

async function open(): Promise<Opened> {
  client ??= await connectTemporal((await testStack()).temporal);
  const taskQueue = unique('capacity');
  const port = new SdkCapacityPort(plainTemporal((await testStack()).temporal, taskQueue));
  const own: (typeof opened)[number] = { port, worker: await capacityWorker(taskQueue) };
  opened.push(own);
  return {
    port,
    taskQueue,
    terminate: async () =>
      void (await client!.workflow.getHandle(capacityWorkflowId(taskQueue)).terminate('test')),
    stopWorker: async () => own.worker?.stop(),
    startWorker: async () => void (own.worker = await capacityWorker(taskQueue)),
  };
}

test.after.always(async () => {
  // KTB_RECORD_HISTORIES=<release> keeps what test/workflows/histories.test.ts replays.
  if (process.env['KTB_RECORD_HISTORIES']) await recordHistories(process.env['KTB_RECORD_HISTORIES']);
  for (const { port, worker } of opened) {
    await worker?.stop();
    await port.close();
  }
  await client?.connection.close();
});

capacityPortContract(test, open);

test('a lease that no worker answered is answered when one comes, under the same sequence', async (t) => {
  const { port, stopWorker, startWorker } = await open();
  await port.lease(leaseRequest(), 10_000);
  await stopWorker();
  // More often than the server takes updates at a time: it is one and the same to it.
  for (let attempt = 0; attempt < 12; attempt++)
    await t.throwsAsync(port.lease(leaseRequest({ sequence: 2 }), 150));
  await startWorker();
  t.is((await port.lease(leaseRequest({ sequence: 2 }), 20_000)).sequence, 2);
  t.is((await port.lease(leaseRequest({ sequence: 3 }), 20_000)).sequence, 3);
});

test('over continue-as-new under load nothing is lost: every lease is answered, every release is counted once', async (t) => {
  t.timeout(240_000);
  const { port, taskQueue } = await open();
  const total = await load(t, port, 700);
  const runs = await until(() => listExecutions(client!, `WorkflowId = "${capacityWorkflowId(taskQueue)}"`), {
    what: 'a run that follows another',
    accept: (seen) => seen.length >= 2,
  });
  t.true(runs.some(({ status }) => status.name === 'CONTINUED_AS_NEW'));
  t.true(runs.every(({ historyLength }) => historyLength < 10_000));
  const view = await port.view(10_000);
  t.is(view!.inFlight, 0, `${total} slots were lent and have come back`);
});

/** Four bridges ask, use all that they get, and a worker reports it released. @returns how many slots were used */
async function load(t: ExecutionContext, port: SdkCapacityPort, messages: number): Promise<number> {
  const released: string[] = [];
  let reports = 0;
  const report = () =>
    port.report(
      workerReport({
        sequence: ++reports,
        sentAt: Date.now(),
        released: Object.fromEntries(released.map((range) => range.split('=') as [string, string])),
      }),
    );
  await report();
  let used = 0;
  let sent = 0;
  const bridge = async (name: string): Promise<void> => {
    let next = 0;
    for (let sequence = 1; sent < messages; sequence++, sent += 2) {
      const stream = { id: `${name}.0`, classes: [], next, upTo: next, demand: 7, high: 0, returned: '' };
      const answer: Lease = await port.lease(
        leaseRequest({ bridge: name, sequence, streams: [stream] }),
        20_000,
      );
      const upTo = answer.upTo[`${name}.0`] ?? next;
      if (upTo <= next) continue;
      used += upTo - next;
      next = upTo;
      // All that it ever used: a report that comes late or twice changes nothing.
      const index = released.findIndex((range) => range.startsWith(`${name}.0=`));
      released.splice(index === -1 ? released.length : index, 1, `${name}.0=0-${next - 1}`);
      await report();
    }
    await port.lease(
      leaseRequest({
        bridge: name,
        sequence: 1_000_000,
        streams: [{ id: `${name}.0`, classes: [], next, upTo: next, demand: 0, high: 0, returned: '' }],
      }),
      20_000,
    );
  };
  await Promise.all(['bridge01', 'bridge02', 'bridge03', 'bridge04'].map(bridge));
  await report();
  t.true(used > 500, `${used} slots`);
  return used;
}

test('what is no request at all leaves no trace in the history', async (t) => {
  const { port, taskQueue } = await open();
  await port.lease(leaseRequest(), 10_000);
  const events = async () => (await historyOf(client!, capacityWorkflowId(taskQueue))).events?.length ?? 0;
  const before = await events();
  const nonsense = { bridge: 'B/../', sequence: 'x', streams: 7 } as never;
  await t.throwsAsync(port.lease(leaseRequest(nonsense), 10_000), { message: /Expected a lease request/ });
  t.true((await events()) <= before + 3, 'a task at most');
});

/** A run that continues as new, with a message of each kind, and the run that follows. */
async function recordHistories(release: string): Promise<void> {
  const { port, taskQueue, stopWorker, startWorker } = await open();
  await port.lease(leaseRequest(), 20_000);
  await port.report(workerReport({ released: { 'bridge01.0': '0-2' }, responses: { count: 3, sumMs: 90 } }));
  await port.change({ who: 'ann', why: 'ticket 812', action: 'pause', scope: 'orders' }, 20_000);
  await port.change({ who: 'ann', why: '', action: 'limit', limit: -1 }, 20_000).catch(() => undefined);
  await stopWorker();
  for (let index = 0; index < 500; index++) await port.report({} as never);
  await startWorker();
  const workflowId = capacityWorkflowId(taskQueue);
  const first = await until(() => listExecutions(client!, `WorkflowId = "${workflowId}"`), {
    what: 'the run that follows',
    accept: (seen) => seen.length === 2,
  });
  await port.lease(leaseRequest({ sequence: 2 }), 20_000);
  const folder = new URL(`../histories/${release}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const { runId, status } of first) {
    const history = await historyOf(client!, workflowId, runId);
    const name = status.name === 'RUNNING' ? 'running' : 'continued';
    writeFileSync(new URL(`ktbCapacity-${name}.json`, folder), `${historyToJSON(history as never)}\n`);
  }
}
