import test from 'ava';
import type { DeadLetterFilter } from '../../bridge/operate/dead-letters.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { all, Operated } from '../helpers/doubles/operated.js';
import { until } from '../helpers/until.js';

const keysOf = async ({ client }: Operated, filter: DeadLetterFilter = {}) =>
  (await all(client.failed(filter))).map(({ key }) => key);

test('a dead letter says whose record it is, why it failed, and the event to reset to', async (t) => {
  const it = new Operated();
  const runId = it.record('a', { offset: 7 });
  const [letter] = await all(it.client.failed());
  t.like(letter, {
    workflowId: 'a',
    runId,
    key: 'a',
    workflowType: 'fulfilOrder',
    route: 'placed',
    topic: 'orders',
    partition: 0,
    offset: '7',
    status: 'failed',
    reason: 'the cause of a is not mended',
    errorType: 'NotMended',
    resetEvent: 10,
    link: `http://ui.test/namespaces/default/workflows/a/${runId}/history`,
  });
});

test('what runs, what completed, and what stands in quarantine is none', async (t) => {
  const it = new Operated();
  it.record('runs', { steps: [{ hear: 1 }] });
  it.record('completed', { steps: [] });
  it.record('cancelled', { steps: [{ hear: 1 }] });
  it.operator.cancel('cancelled');
  it.quarantined(9);
  t.deepEqual(await keysOf(it), []);
});

test('what was terminated or timed out is one', async (t) => {
  const it = new Operated();
  it.record('terminated', { steps: [{ hear: 1 }] });
  it.operator.terminate('terminated', 'by ann');
  it.record('timed-out', { steps: [{ hear: 1 }], workflowRunTimeoutMs: 1 });
  await until(() => keysOf(it), { what: 'both', accept: (keys) => keys.length === 2 });
  const letters = await all(it.client.failed());
  t.deepEqual(letters.map(({ status, key }) => `${key} ${status}`).toSorted(), [
    'terminated terminated',
    'timed-out timedOut',
  ]);
  t.is(letters.find(({ key }) => key === 'terminated')?.reason, 'by ann');
});

test('a run that another one has come after is none', async (t) => {
  const it = new Operated();
  it.record('a');
  it.record('b');
  const letter = (await all(it.client.failed())).find(({ key }) => key === 'a')!;
  it.mended = true;
  await it.operator.reset({ ...letter, eventId: 10, reason: 'x', requestId: 'r', reapply: 'all' });
  t.deepEqual(await keysOf(it), ['b']);
});

test('one that was replayed a moment ago is none, though visibility still has it', async (t) => {
  const it = new Operated({ visibilityLagMs: 50 });
  it.record('a');
  const [letter] = await until(() => all(it.client.failed()), {
    what: 'it to be listed',
    accept: (l) => l.length > 0,
  });
  it.mended = true;
  await it.operator.reset({ ...letter!, eventId: 10, reason: 'x', requestId: 'r', reapply: 'all' });
  t.deepEqual(await keysOf(it), []);
});

test("another subscription's, and what no bridge started, is none", async (t) => {
  const it = new Operated();
  it.record('theirs', { subscription: 'invoices' });
  it.operator.start({ workflowId: 'own', taskQueue: 'orders', steps: [{ fail: 'x' }] });
  it.record('elsewhere', { taskQueue: 'another' });
  it.operator.poll('another');
  it.record('ours');
  t.deepEqual(await keysOf(it), ['ours']);
});

test("a route's own task queue is looked at too", async (t) => {
  const routes = [{ id: 'slow', topic: 'orders', workflow: 'fulfilOrder', options: { taskQueue: 'slow' } }];
  const it = new Operated({ config: { routes } });
  it.operator.poll('slow');
  it.record('a', { taskQueue: 'slow', route: 'slow' });
  t.deepEqual(await keysOf(it), ['a']);
});

test('a filter takes by route, type, reason, group and query', async (t) => {
  const it = new Operated();
  it.record('a');
  it.record('b', {
    route: 'paid',
    workflowType: 'ktbActivityRoute',
    taskQueue: 'orders-ktb',
    steps: [{ call: 'refuses' }],
  });
  t.deepEqual(await keysOf(it, { route: 'paid' }), ['b']);
  t.deepEqual(await keysOf(it, { workflowType: 'fulfilOrder' }), ['a']);
  t.deepEqual(await keysOf(it, { reason: 'CAUSE OF' }), ['a']);
  t.deepEqual(await keysOf(it, { reason: 'cardrefused' }), ['b'], "the error's type");
  t.deepEqual(await keysOf(it, { reason: 'CardRefused: card … was' }), ['b'], "the group's name");
  t.deepEqual(await keysOf(it, { query: 'WorkflowId = "a" AND WorkflowType = "fulfilOrder"' }), ['a']);
  t.deepEqual(await keysOf(it, { query: 'KtbRecord = "orders/0/1"', route: 'placed' }), []);
  const refused = await t.throwsAsync(keysOf(it, { query: 'so not a query' }), { instanceOf: TemporalFault });
  t.is(refused?.kind, 'rejected');
});

test('a filter takes by the time at which they ended: since is in, until is out', async (t) => {
  const it = new Operated();
  it.record('a');
  const { failedAt } = (await all(it.client.failed()))[0]!;
  t.deepEqual(await keysOf(it, { since: failedAt, until: failedAt + 1 }), ['a']);
  t.deepEqual(await keysOf(it, { since: failedAt + 1 }), []);
  t.deepEqual(await keysOf(it, { until: failedAt }), []);
});

test('a limit counts those that match, and looks no further', async (t) => {
  const it = new Operated();
  for (let index = 0; index < 100; index++) it.record(`r${index}`, { route: index % 2 ? 'placed' : 'paid' });
  t.is((await keysOf(it, { limit: 3, route: 'paid' })).length, 3);
  const looked = it.operator.calls.filter(({ call }) => call === 'inspect').length;
  t.true(looked < 40, `${looked} were looked at`);
  t.deepEqual(await keysOf(it, { limit: 0 }), []);
});

test('an interruption ends the list, without an error', async (t) => {
  const it = new Operated();
  for (let index = 0; index < 100; index++) it.record(`r${index}`);
  const interrupted = new AbortController();
  let count = 0;
  for await (const _ of it.client.failed({ signal: interrupted.signal }))
    if (++count === 5) interrupted.abort();
  t.is(count, 5);
});

test('while Temporal is away the list fails: an empty one would be a lie', async (t) => {
  for (const call of ['list', 'inspect', 'closing'] as const) {
    const it = new Operated();
    it.record('a');
    it.operator.fail(call);
    await t.throwsAsync(keysOf(it), { instanceOf: TemporalFault }, call);
  }
});

test('they are counted by reason, the most frequent first, with their routes, times and one of them', async (t) => {
  const it = new Operated();
  it.record('x1', { steps: [{ call: 'refuses' }], route: 'paid' });
  for (const key of ['order-1', 'order-2', 'order-3'])
    it.record(key, { route: key === 'order-3' ? 'paid' : 'placed' });
  const letters = await all(it.client.failed());
  const groups = await it.client.failedByReason();
  t.deepEqual(
    groups.map(({ reason, count }) => [reason, count]),
    [
      ['NotMended: the cause of order-… is not mended', 3],
      ['CardRefused: card … was refused', 1],
    ],
  );
  t.deepEqual(groups[0]?.routes.toSorted(), ['paid', 'placed']);
  const times = letters.filter(({ errorType }) => errorType === 'NotMended').map(({ failedAt }) => failedAt);
  t.is(groups[0]?.firstAt, Math.min(...times));
  t.is(groups[0]?.lastAt, Math.max(...times));
  t.is(groups[1]?.example.key, 'x1');
});
