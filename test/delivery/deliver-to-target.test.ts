import test from 'ava';
import { createTargetDelivery } from '../../bridge/delivery/deliver-to-target.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import type { RecordInfo, TargetRouteInput } from '../../workflows/contract.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { deliverable } from '../helpers/doubles/mapped-records.js';
import { signalTo, startRequest } from '../temporal/temporal-port-contract.js';

const INFO: RecordInfo = deliverable().info;
const TOKEN = Buffer.from('task');

const inputOf = (fields: Partial<TargetRouteInput> = {}): TargetRouteInput => ({
  kind: 'signal',
  name: 'paymentReceived',
  workflowId: 'order-1',
  requestId: 'to:v1:x',
  waitForWorkflowMs: 1_000,
  onClosed: 'deadLetter',
  start: null,
  ...fields,
});

const START = { workflow: 'fulfilOrder', taskQueue: 'orders' };

/** Attempts of one activity: each finds what the one before has noted. */
function attempts(port: TemporalDouble, input: TargetRouteInput, waitedMs = 0) {
  const deliver = createTargetDelivery(port, () => 1_000_000 + waitedMs);
  return () =>
    deliver({ cents: 5 }, INFO, input, {
      noted: port.progressOf(TOKEN),
      taskToken: TOKEN,
      since: 1_000_000,
    });
}

const target = async (port: TemporalDouble): Promise<string> => {
  const { runId } = await port.start(startRequest({ workflowId: 'order-1' }));
  return runId!;
};

test('a signal gets event and record, and its result says where it went', async (t) => {
  const port = new TemporalDouble();
  const runId = await target(port);
  t.deepEqual(await attempts(port, inputOf())(), { result: { workflowId: 'order-1', runId } });
  t.like(port.received('order-1')[0], { name: 'paymentReceived', args: [{ cents: 5 }, { topic: 'orders' }] });
});

test("an update's result is the result", async (t) => {
  const port = new TemporalDouble();
  await target(port);
  t.deepEqual(await attempts(port, inputOf({ kind: 'update', name: 'addItem' }))(), {
    result: 'did addItem',
  });
});

test('the run is noted before anything is sent to it', async (t) => {
  const port = new TemporalDouble();
  const runId = await target(port);
  port.fail({ calls: ['noteProgress'] });
  await t.throwsAsync(attempts(port, inputOf())(), { instanceOf: TemporalFault });
  t.is(port.countOf('send'), 0);
  port.fail({ calls: ['send'] });
  await t.throwsAsync(attempts(port, inputOf())(), { instanceOf: TemporalFault });
  t.deepEqual(port.progressOf(TOKEN), { run: runId });
});

test('an answer that was lost is not sent twice: by the same run', async (t) => {
  const port = new TemporalDouble();
  await target(port);
  port.loseReplies({ calls: ['send'] });
  const attempt = attempts(port, inputOf());
  await t.throwsAsync(attempt());
  await attempt();
  t.is(port.received('order-1').length, 1);
});

test('an answer that was lost before the target continued as new is found in the history of its run', async (t) => {
  const port = new TemporalDouble();
  const runId = await target(port);
  port.loseReplies({ calls: ['send'] });
  const attempt = attempts(port, inputOf());
  await t.throwsAsync(attempt());
  port.continueAsNew('order-1');
  port.continueAsNew('order-1');
  t.deepEqual(await attempt(), { result: { workflowId: 'order-1', runId } });
  t.is(port.received('order-1').length, 1);
});

test('a call that was lost before the target continued as new is sent to its next run', async (t) => {
  const port = new TemporalDouble();
  await target(port);
  port.fail({ calls: ['send'] });
  const attempt = attempts(port, inputOf());
  await t.throwsAsync(attempt());
  const runId = port.continueAsNew('order-1');
  t.deepEqual(await attempt(), { result: { workflowId: 'order-1', runId } });
  t.is(port.received('order-1').length, 1);
});

test('a missing workflow is started with the message, and a lost answer starts it once, whatever it does meanwhile', async (t) => {
  for (const meanwhile of ['runs', 'continuedAsNew', 'closed', 'closed, and another one began'] as const) {
    const port = new TemporalDouble();
    port.loseReplies({ calls: ['sendWithStart'] });
    const attempt = attempts(port, inputOf({ start: START }));
    await t.throwsAsync(attempt());
    if (meanwhile === 'continuedAsNew') port.continueAsNew('order-1');
    if (meanwhile.startsWith('closed')) port.end('order-1', 'completed');
    if (meanwhile === 'closed, and another one began') {
      const other = { ...signalTo('order-1'), requestId: 'another' };
      await port.sendWithStart(other, { workflowType: 'w', taskQueue: 'q', args: [], afterClosed: true });
    }
    t.true('result' in (await attempt()), meanwhile);
    const ours = port.received('order-1').filter(({ requestId }) => requestId === 'to:v1:x');
    t.is(ours.length, 1, meanwhile);
  }
});

test('a workflow that somebody else started meanwhile gets the message all the same', async (t) => {
  const port = new TemporalDouble();
  port.fail({ calls: ['sendWithStart'] });
  const attempt = attempts(port, inputOf({ start: START }));
  await t.throwsAsync(attempt());
  const runId = await target(port);
  t.deepEqual(await attempt(), { result: { workflowId: 'order-1', runId } });
});

test('without `start` a missing workflow is waited for, then it is a dead letter', async (t) => {
  const port = new TemporalDouble();
  t.deepEqual(await attempts(port, inputOf(), 400)(), {
    waits: 'Expected a workflow order-1 to run, got none',
    forMs: 600,
  });
  t.deepEqual(await attempts(port, inputOf(), 1_000)(), {
    refused: 'Expected a workflow order-1 to run, got none within 1000 ms',
    type: 'Ktb.missing',
  });
});

test('a closed workflow is a dead letter, unless a new one may be started', async (t) => {
  const port = new TemporalDouble();
  const first = await target(port);
  port.end('order-1', 'completed');
  const refused = {
    refused: 'Expected a workflow order-1 to run, got one that is completed',
    type: 'Ktb.closed',
  };
  t.deepEqual(await attempts(port, inputOf())(), refused);
  t.deepEqual(await attempts(port, inputOf({ start: START }))(), refused);
  port.loseReplies({ calls: ['sendWithStart'] });
  const attempt = attempts(port, inputOf({ start: START, onClosed: 'startNew' }));
  await t.throwsAsync(attempt());
  const second = (await port.describe('order-1'))!.runId;
  t.not(second, first);
  t.deepEqual(await attempt(), { result: { workflowId: 'order-1', runId: second } });
  t.is(port.received('order-1').length, 1);
});

test('what Temporal refuses for what it says is a dead letter', async (t) => {
  const port = new TemporalDouble();
  await target(port);
  port.fail({ calls: ['send'], fault: () => new TemporalFault('rejected', 'too many signals') });
  t.deepEqual(await attempts(port, inputOf())(), { refused: 'too many signals', type: 'Ktb.rejected' });
});

test('an attempt that is over sends nothing', async (t) => {
  const port = new TemporalDouble();
  await target(port);
  const over = createTargetDelivery({
    describe: (id) => port.describe(id),
    send: (message, run) => port.send(message, run),
    sendWithStart: (message, start) => port.sendWithStart(message, start),
    hasReceived: (message, run) => port.hasReceived(message, run),
    runsSince: (id, since) => port.runsSince(id, since),
    noteProgress: async () => false,
  });
  t.like(await over({}, INFO, inputOf(), { noted: undefined, taskToken: TOKEN, since: 0 }), {
    waits: 'The attempt is over: another one has taken its place',
  });
  t.is(port.received('order-1').length, 0);
});
