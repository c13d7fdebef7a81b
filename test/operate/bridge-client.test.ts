import test from 'ava';
import { Operated } from '../helpers/doubles/operated.js';

test('a key tells its state, with its place in Kafka and where it failed', async (t) => {
  const it = new Operated();
  it.kafka.create('orders');
  it.kafka.append('orders', [{ value: '{}' }]);
  it.kafka.commit('orders', 0, 1n);
  it.record('a', { offset: 0 });
  t.like(await it.client.status('a'), {
    state: 'failed',
    asked: 'a',
    key: 'a',
    route: 'placed',
    workflowType: 'fulfilOrder',
    reason: 'the cause of a is not mended',
    errorType: 'NotMended',
    attempts: 1,
    resetEvent: 10,
    kafka: { topic: 'orders', partition: 0, offset: '0', committed: true, inLog: true },
    others: [],
  });
  it.record('done', { steps: [{ call: 'fine' }] });
  t.like(await it.client.status('done'), { state: 'completed', reason: undefined, resetEvent: undefined });
  it.record('cancelled', { steps: [{ hear: 1 }] });
  t.is((await it.client.status('cancelled')).state, 'running');
  it.operator.cancel('cancelled');
  t.is((await it.client.status('cancelled')).state, 'canceled');
});

test('an attempt that is waited for is shown with what the last one failed with', async (t) => {
  const it = new Operated();
  it.operator.activities['stumbles'] = () => {
    throw new Error('not this time');
  };
  it.record('a', { steps: [{ call: 'stumbles' }] });
  const { state, attempts, pendingActivities } = await it.client.status('a');
  t.like({ state, attempts }, { state: 'running', attempts: 2 });
  t.like(pendingActivities[0], { activityType: 'stumbles', attempt: 2, lastFailure: 'not this time' });
});

test('a key that a route reads is found under its route', async (t) => {
  const it = new Operated();
  it.record('17', { workflowId: 'paid/17', route: 'paid', steps: [] });
  t.like(await it.client.status('17'), { state: 'completed', workflowId: 'paid/17' });
  t.like(await it.client.status('paid/17'), { state: 'completed', workflowId: 'paid/17' });
});

test('a place in the log finds its record by the log itself, where no search attribute knows it', async (t) => {
  const it = new Operated();
  it.kafka.create('orders');
  it.kafka.append('orders', [{ value: '{}', headers: { 'event-type': 'placed', 'idempotency-key': 'a' } }]);
  it.record('a', { offset: 0, steps: [], searchAttributes: { KtbKey: undefined, KtbRecord: undefined } });
  t.like(await it.client.status('orders/0/0'), { state: 'completed', key: 'a' });
});

test('a place is found by its search attribute, where Kafka is away', async (t) => {
  const it = new Operated();
  it.kafka.away = true;
  it.record('a', { offset: 4, steps: [] });
  const status = await it.client.status('orders/0/4');
  t.like(status, { state: 'completed', key: 'a' });
  t.like(status.kafka, { committed: undefined, inLog: undefined });
});

test('a key that also stands in quarantine shows what was handled first, and the other beside it', async (t) => {
  const it = new Operated();
  const quarantine = it.quarantined(5, { cause: 'conflict', searchAttributes: { KtbKey: 'a' } });
  it.record('a', { steps: [] });
  const status = await it.client.status('a');
  t.is(status.state, 'completed');
  t.like(status.others[0], { state: 'quarantined', workflowId: quarantine });
});

test("what is somebody else's, or nowhere, is unknown; a key of 5,000 bytes too", async (t) => {
  const it = new Operated();
  it.record('theirs', { subscription: 'invoices' });
  it.operator.start({ workflowId: 'own', taskQueue: 'orders' });
  for (const key of ['theirs', 'own', 'nobody', 'ä'.repeat(2_500)])
    t.like(await it.client.status(key), { state: 'unknown', workflowId: undefined, others: [] });
  t.true(it.operator.calls.every(({ call, id }) => call !== 'inspect' || Buffer.byteLength(id) <= 255));
});

test('a key that is named twice, or that names two dead letters, replays each once', async (t) => {
  const it = new Operated();
  it.record('17');
  it.record('17', { workflowId: 'paid/17', route: 'paid', workflowType: 'ktbActivityRoute', hinted: false });
  it.mended = true;
  const report = await it.client.replay({ keys: ['17', '17', 'paid/17', 'nobody'] });
  t.deepEqual(report.entries.map(({ letter }) => letter.workflowId).toSorted(), ['17', 'paid/17']);
  t.deepEqual(report.notFound, ['nobody']);
  t.true(report.replayed.every(({ state }) => state === 'completed'));
});

test('what completed is no dead letter, and is said so', async (t) => {
  const it = new Operated();
  it.record('done', { steps: [] });
  t.like(await it.client.replay({ keys: ['done'] }), { entries: [], notFound: ['done'], confirmed: false });
});

test('it closes what it was given, once', async (t) => {
  const it = new Operated();
  t.is(it.client.close(), it.client.close());
  await it.client.close();
});
