import test from 'ava';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { OperatorDouble } from '../helpers/doubles/operator-double.js';
import { until } from '../helpers/until.js';
import { activities, operatorPortContract } from './operator-port-contract.js';

/** One for all tests of the contract, as the real server is. */
const shared = new OperatorDouble({ visibilityLagMs: 20 });
Object.assign(shared.activities, activities);
shared.poll('polled');

operatorPortContract(test, async () => ({
  port: shared,
  taskQueue: 'polled',
  start: async (request) => shared.start(request),
  terminate: async (workflowId) => shared.terminate(workflowId),
  cancel: async (workflowId) => shared.cancel(workflowId),
  tell: async (workflowId, what) => shared.tell(workflowId, what),
}));

test.after.always(() => shared.close());

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const one of items) found.push(one);
  return found;
};

test('its list hears of a change later than who made it', async (t) => {
  const port = new OperatorDouble({ visibilityLagMs: 60_000 });
  const runId = port.start({ workflowId: 'late' });
  t.is((await port.inspect('late'))?.runId, runId);
  t.deepEqual(await all(port.list('WorkflowId = "late"')), []);
});

test('a worker that begins to poll takes what waits', async (t) => {
  const port = new OperatorDouble();
  port.start({ workflowId: 'waits' });
  t.is((await port.inspect('waits'))?.status, 'running');
  port.poll('queue');
  t.is((await port.inspect('waits'))?.status, 'completed');
});

test('while a job runs, the next one is refused', async (t) => {
  const port = new OperatorDouble();
  const job = { jobId: 'a', executions: [{ workflowId: 'x', runId: 'y' }], eventId: 4, reason: 'x' };
  const request = { ...job, reapply: 'all' } as const;
  await port.startResetJob(request);
  const fault = await t.throwsAsync(port.startResetJob({ ...request, jobId: 'b' }), {
    instanceOf: TemporalFault,
  });
  t.is(fault?.status, 'RESOURCE_EXHAUSTED');
  await until(() => port.job('a'), {
    what: 'the first to end',
    accept: ({ state }) => state === 'completed',
  });
  await t.notThrowsAsync(port.startResetJob({ ...request, jobId: 'b' }));
});

test('a failing call has no effect, so many times', async (t) => {
  const port = new OperatorDouble();
  port.poll('queue');
  const runId = port.start({ workflowId: 'one', steps: [{ fail: 'x' }] });
  port.fail('startAgain', { times: 2 });
  for (let index = 0; index < 2; index++) {
    const fault = await t.throwsAsync(port.startAgain('one', runId, [[]]), { instanceOf: TemporalFault });
    t.is(fault?.status, 'UNAVAILABLE');
  }
  t.is((await port.inspect('one'))?.runId, runId);
  t.not(await port.startAgain('one', runId, [[]]), runId);
});
