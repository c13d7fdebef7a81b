import test from 'ava';
import { CloseWatch } from '../../bridge/delivery/close-watch.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { until } from '../helpers/until.js';
import { startRequest } from '../temporal/temporal-port-contract.js';

const { signal: never } = new AbortController();

async function opened(port: TemporalDouble): Promise<[string, string]> {
  const request = startRequest();
  const { runId } = await port.start(request);
  return [request.workflowId, runId!];
}

test('a close is waited for, through systemic faults', async (t) => {
  const port = new TemporalDouble();
  port.fail({ times: 2, calls: ['awaitClosed'] });
  const at = await opened(port);
  const closed = new CloseWatch(port).closed(...at, never);
  await until(() => port.countOf('awaitClosed') === 3, { what: 'the third try', everyMs: 5 });
  port.end(at[0], 'failed');
  t.true(await closed);
});

test('no more polls than allowed are under way, and each waiter has its turn', async (t) => {
  const port = new TemporalDouble();
  const watch = new CloseWatch(port, 2);
  const all = await Promise.all([1, 2, 3, 4, 5].map(() => opened(port)));
  const closed = all.map((at) => watch.closed(...at, never));
  await until(() => watch.polling === 2, { what: 'two polls', everyMs: 2 });
  t.is(port.countOf('awaitClosed'), 2);
  for (const [workflowId] of all) port.end(workflowId);
  t.deepEqual(await Promise.all(closed), [true, true, true, true, true]);
  t.is(watch.polling, 0);
});

test('the signal ends the wait, also the wait for a turn', async (t) => {
  const port = new TemporalDouble();
  const watch = new CloseWatch(port, 1);
  const abort = new AbortController();
  const closed = await Promise.all([1, 2].map(async () => opened(port))).then((all) =>
    all.map((at) => watch.closed(...at, abort.signal)),
  );
  await until(() => watch.polling === 1, { what: 'a poll', everyMs: 2 });
  abort.abort();
  t.deepEqual(await Promise.all(closed), [false, false]);
  t.is(watch.polling, 0);
});
