import test from 'ava';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { startRequest, temporalPortContract } from './temporal-port-contract.js';

temporalPortContract(test, async () => {
  const port = new TemporalDouble();
  return { port, terminate: async (workflowId) => port.end(workflowId) };
});

test('a failing call has no effect, so many times', async (t) => {
  const port = new TemporalDouble();
  const request = startRequest();
  port.fail({ times: 2 });
  for (let index = 0; index < 2; index++) {
    const fault = await t.throwsAsync(port.start(request), { instanceOf: TemporalFault });
    t.is(fault?.kind, 'systemic');
    t.is(port.executions.size, 0);
  }
  t.is((await port.start(request)).kind, 'started');
});

test('a lost reply: the start happened, and the same request ID meets it', async (t) => {
  const port = new TemporalDouble();
  const request = startRequest();
  port.loseReplies();
  await t.throwsAsync(port.start(request), { instanceOf: TemporalFault });
  t.is(port.executions.size, 1);
  const { runId } = [...port.executions.values()][0]!;
  t.deepEqual(await port.start(request), { kind: 'started', runId });
});

test('a late answer comes when it is let through', async (t) => {
  const port = new TemporalDouble();
  port.answerLate();
  let answered = false;
  const start = port.start(startRequest()).then(() => (answered = true));
  await new Promise((resolve) => setImmediate(resolve));
  t.false(answered);
  t.is(port.executions.size, 0);
  port.answer();
  await start;
  t.is(port.executions.size, 1);
});
