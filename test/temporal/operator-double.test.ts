import test from 'ava';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { OperatorDouble } from '../helpers/doubles/operator-double.js';
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

test('a failing call has no effect, so many times', async (t) => {
  const port = new OperatorDouble();
  const runId = port.start({ workflowId: 'one', steps: [{ hear: 1 }] });
  port.poll('queue');
  port.fail('signal', { times: 2 });
  const signal = () => port.signal({ workflowId: 'one', runId, name: 'tell', args: [1], requestId: 'r' });
  for (let index = 0; index < 2; index++)
    t.is((await t.throwsAsync(signal(), { instanceOf: TemporalFault }))?.status, 'UNAVAILABLE');
  t.is((await port.inspect('one'))?.status, 'running');
  await signal();
  t.is((await port.inspect('one'))?.status, 'completed');
});
