import test from 'ava';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import { BridgeClient } from '../../bridge/operate/bridge-client.js';
import { Operated } from '../helpers/doubles/operated.js';
import { leaseRequest, workerReport } from '../temporal/capacity-port-contract.js';

/** What it comes to, while the clock of this process is moved on. */
async function passing<T>(work: () => Promise<T>): Promise<T | Error> {
  using clock = fakeClock();
  let settled: T | Error | undefined;
  void work().then(
    (value) => (settled = value),
    (error: Error) => (settled = error),
  );
  await clock.advanceUntil(() => settled !== undefined);
  return settled!;
}

test('what workers tell and bridges ask for is there', async (t) => {
  const it = new Operated();
  await it.capacity.report(workerReport({ slots: { total: 40, free: 7 }, pressure: ['cpu'] }));
  await it.capacity.lease(leaseRequest(), 1);
  const look = await it.client.capacity();
  t.true(look.answers);
  if (!look.answers) return;
  t.is(look.taskQueue, 'orders');
  t.like(look.workers[0], { alive: true, slots: { total: 40, free: 7 }, pressure: ['cpu'] });
  t.like(look.bridges[0], { name: 'orders', leases: true });
  t.is(look.limit, 100);
});

test('where nobody has reported or asked it says so, with what Temporal knows', async (t) => {
  const it = new Operated();
  it.temporal.setBacklog('orders', 12);
  it.temporal.setBacklog('orders-ktb', 1);
  t.deepEqual(await it.client.capacity(), {
    answers: false,
    taskQueue: 'orders',
    reason: 'There is no capacity workflow for orders: no worker has reported, and no bridge has asked.',
    queues: [
      { taskQueue: 'orders', backlog: 12, pollers: await it.operator.pollers('orders') },
      { taskQueue: 'orders-ktb', backlog: 1, pollers: await it.operator.pollers('orders-ktb') },
    ],
  });
});

test.serial('where no worker answers it says so', async (t) => {
  const it = new Operated();
  await it.capacity.report(workerReport());
  it.capacity.worked = false;
  const look = await passing(() => it.client.capacity());
  t.false((look as { answers: boolean }).answers);
  t.regex((look as { reason: string }).reason, /capacity workflow of orders does not answer: No worker/);
});

test('where Temporal is away, that is the fault', async (t) => {
  const it = new Operated();
  const away = new TemporalFault('systemic', 'connection refused', { status: 'UNAVAILABLE' });
  it.capacity.fault = away;
  it.temporal.backlog = () => Promise.reject(away);
  await t.throwsAsync(it.client.capacity(), { is: away });
  await t.throwsAsync(it.client.pause(undefined, { reason: 'r' }), { is: away });
});

test('a pause is of the subscription or of one route, says who and why, and each is resumed by itself', async (t) => {
  const it = new Operated();
  await it.client.pause(undefined, { reason: 'the bank is down', who: 'ann' });
  const both = await it.client.pause('paid', { who: 'bob' });
  t.like(both.pauses['orders'], { value: true, who: 'ann', why: 'the bank is down' });
  t.like(both.pauses['orders/paid'], { value: true, who: 'bob', why: '' });
  const one = await it.client.resume();
  t.deepEqual(Object.keys(one.pauses), ['orders/paid']);
  t.deepEqual((await it.client.resume('paid')).pauses, {});
  const { version } = await it.client.resume('paid');
  t.is(version, one.version + 1, 'what is not paused changes nothing');
});

test('a route that is not there is refused, with those that are', async (t) => {
  const it = new Operated();
  const message = 'Expected a route of `orders`, got `payd`; there are: placed, paid';
  await t.throwsAsync(it.client.pause('payd'), { code: 'KTB_USAGE', message });
  await t.throwsAsync(it.client.resume('payd'), { code: 'KTB_USAGE', message });
});

test('a limit by hand holds until it moves by itself again', async (t) => {
  const it = new Operated();
  await it.capacity.report(workerReport());
  t.like((await it.client.setLimit(1000, { who: 'ann', reason: 'w' })).limit, {
    value: 1000,
    who: 'ann',
    why: 'w',
  });
  t.is(((await it.client.capacity()) as { limit: number }).limit, 1000);
  t.is((await it.client.setLimit('auto')).limit, null);
  t.is(((await it.client.capacity()) as { limit: number }).limit, 100);
});

test('a limit that is none is refused, and changes nothing', async (t) => {
  const it = new Operated();
  await it.client.setLimit(5);
  for (const limit of [0, -1, 1.5, Number.NaN, 1e9])
    await t.throwsAsync(it.client.setLimit(limit), { code: 'KTB_USAGE', message: /Expected `limit` to be/ });
  t.is((await it.client.pause('paid')).limit?.value, 5);
});

test.serial('without a worker a change says what to do, and what holds anyway', async (t) => {
  const it = new Operated();
  it.capacity.worked = false;
  const error = (await passing(() => it.client.pause(undefined, { reason: 'r' }))) as Error & {
    code: string;
  };
  t.is(error.code, 'KTB_TEMPORAL');
  t.regex(error.message, /^Expected a worker to answer on orders-ktb, got none in 10 s: start one/);
  t.regex(error.message, /what was paused or set before holds/);
  t.regex(error.message, /at most 10 records/);
});

test("with `capacity.limit: 'off'` nothing would come of a change: it is refused", async (t) => {
  const it = new Operated({ config: { capacity: { limit: 'off' } } });
  for (const change of [it.client.pause(), it.client.resume('paid'), it.client.setLimit('auto')])
    await t.throwsAsync(change, { code: 'KTB_USAGE', message: /Expected `capacity.limit` to be/ });
});

test('two subscriptions on a task queue have pauses of their own', async (t) => {
  const it = new Operated();
  const other = resolveConfig(
    {
      name: 'refunds',
      kafka: { brokers: ['localhost:9092'], groupId: 'refunds' },
      temporal: { taskQueue: 'orders' },
      routes: [{ id: 'placed', topic: 'refunds', workflow: 'refund' }],
    },
    { baseDir: '/', env: {} },
  );
  await using client = new BridgeClient(other, { ports: it.ports });
  await it.client.pause('placed');
  const settings = await client.pause();
  t.deepEqual(Object.keys(settings.pauses).toSorted(), ['orders/placed', 'refunds']);
  t.deepEqual(Object.keys((await client.resume()).pauses), ['orders/placed']);
});
