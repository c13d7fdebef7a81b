import test from 'ava';
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { startRecord, startRequestOf } from '../../bridge/delivery/record-start.js';
import { keyHash, startRequestId } from '../../bridge/temporal/ids.js';
import { TemporalFault, type TemporalPort } from '../../bridge/temporal/temporal-port.js';
import { deliverable, routeOf, SCOPE } from '../helpers/doubles/mapped-records.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';

const NOW = 1_800_000_000_000;
const start = (port: TemporalPort, record = deliverable({ key: 'k' }), scope = SCOPE) =>
  startRecord(port, record, scope, NOW);

test('a workflow route starts the workflow with event and record, on the queue', (t) => {
  const record = deliverable({ key: 'k', event: { total: 5 }, source: { offset: 42n, partition: 3 } });
  const request = startRequestOf(record, SCOPE, NOW);
  t.like(request, {
    workflowId: 'k',
    workflowType: 'nobodyRunsThis',
    taskQueue: 'orders',
    labels: { record: 'orders/3/42', key: 'k', route: 'placed', offset: 42n },
  });
  t.deepEqual(request.args, [{ total: 5 }, record.info]);
  t.is(request.requestId, startRequestId('orders', 'placed', record.source, record.source.value));
});

test('an activity route starts our workflow on our queue, with the activity as third argument', (t) => {
  const route = routeOf({ activity: 'recordPayment', retry: { maximumAttempts: 5 } } as never);
  const record = deliverable({ route });
  const request = startRequestOf(record, SCOPE, NOW);
  t.like(request, { workflowType: 'ktbActivityRoute', taskQueue: 'orders-ktb' });
  t.is(request.args.length, 3);
  t.like(request.args[2], { activity: 'recordPayment', retry: { maximumAttempts: 5 } });
  t.is(request.retry, undefined, "the handler's retries are the activity's");
});

test('a delay is what is left of it now; one that has passed is none', (t) => {
  const record = deliverable({ notBeforeMs: NOW + 5_000 });
  t.is(startRequestOf(record, SCOPE, NOW).startDelayMs, 5_000);
  t.is(startRequestOf(record, SCOPE, NOW + 5_000).startDelayMs, undefined);
  t.is(startRequestOf(deliverable(), SCOPE, NOW).startDelayMs, undefined);
});

test("a route's options go through, and its memo never covers the bridge's own fields", (t) => {
  const key = defineSearchAttributeKey('Region', SearchAttributeType.KEYWORD);
  const route = routeOf({
    workflow: 'w',
    retry: { maximumAttempts: 3 },
    options: {
      taskQueue: 'elsewhere',
      workflowExecutionTimeout: '1 day',
      workflowRunTimeout: '1 hour',
      workflowTaskTimeout: '5 s',
      memo: { team: 'a', subscription: 'forged' },
      searchAttributes: new TypedSearchAttributes([{ key, value: 'eu' }]),
    },
  });
  const request = startRequestOf(deliverable({ route }), SCOPE, NOW);
  t.like(request, {
    taskQueue: 'elsewhere',
    workflowExecutionTimeout: '1 day',
    workflowRunTimeout: '1 hour',
    workflowTaskTimeout: '5 s',
    memo: { team: 'a', subscription: 'orders', processedAt: NOW },
    retry: { maximumAttempts: 3 },
  });
  t.deepEqual(request.searchAttributes, [{ key, value: 'eu' }]);
});

test('what the bridge notes as its time is when it fetched the record', (t) => {
  const record = deliverable({ source: { receivedAtMs: 7 } });
  t.is(startRequestOf(record, SCOPE, NOW).memo['processedAt'], 7);
});

test("the record's priority is Temporal's, and the default is left out", (t) => {
  const of = (priority: 'high' | 'medium' | 'low') =>
    startRequestOf({ ...deliverable(), priority }, SCOPE, NOW).priority;
  t.deepEqual([of('high'), of('medium'), of('low')], [{ priorityKey: 1 }, undefined, { priorityKey: 5 }]);
});

test('a fairness key stands beside the priority, and alone', (t) => {
  const of = (priority: 'high' | 'medium') =>
    startRequestOf({ ...deliverable(), priority, fairnessKey: 'tenant-1' }, SCOPE, NOW).priority;
  t.deepEqual(of('medium'), { fairnessKey: 'tenant-1' });
  t.deepEqual(of('high'), { priorityKey: 1, fairnessKey: 'tenant-1' });
});

test('the key stands in its search attribute plain, hashed, or not at all', (t) => {
  const of = (keySearchAttribute: 'plain' | 'hash' | 'off', key: string | null = 'k') =>
    startRequestOf(deliverable({ key }), { ...SCOPE, keySearchAttribute }, NOW).labels.key;
  t.deepEqual(
    [of('plain'), of('hash'), of('off'), of('plain', null)],
    ['k', keyHash('k'), undefined, undefined],
  );
});

test('the same record gives the same start, but for the time', (t) => {
  const { memo, ...first } = startRequestOf(deliverable(), SCOPE, 1);
  const { memo: later, ...second } = startRequestOf(deliverable(), SCOPE, 2);
  t.deepEqual(first, second);
  t.deepEqual({ ...memo, processedAt: 2 }, later);
});

test('started, and met again by itself', async (t) => {
  const port = new TemporalDouble();
  const first = await start(port);
  t.like(first, { outcome: 'started', workflowId: 'k', message: '' });
  port.end('k', 'completed');
  t.deepEqual(await start(port), { ...first, closed: true });
});

test('the same key: duplicate, conflict and foreign, each with words that say why', async (t) => {
  const port = new TemporalDouble();
  await start(port);
  const duplicate = await start(port, deliverable({ key: 'k', source: { offset: 1n } }));
  t.is(duplicate.outcome, 'duplicate');
  const conflict = await start(
    port,
    deliverable({ key: 'k', source: { offset: 2n, value: Buffer.from('x') } }),
  );
  t.is(conflict.outcome, 'conflict');
  t.regex(conflict.message, /another value: k$/);
  const foreign = await start(port, deliverable({ key: 'k' }), { ...SCOPE, name: 'invoices' });
  t.is(foreign.outcome, 'foreign');
  t.regex(foreign.message, /`invoices`.*`idPrefix`/);
  const route = await start(port, deliverable({ key: 'k', route: routeOf({ id: 'other', workflow: 'w' }) }));
  t.is(route.outcome, 'foreign');
  t.is(port.countOf('describe'), 0, 'one call told everything');
});

/** What a Reset leaves: a run that no request of ours started, with our memo. */
async function afterReset(): Promise<TemporalDouble> {
  const port = new TemporalDouble();
  await start(port);
  port.plant('k', 'a-resets-own-id');
  return port;
}

test('after a Reset the memo tells: the record itself, a duplicate, a conflict, or foreign', async (t) => {
  const port = await afterReset();
  t.is((await start(port)).outcome, 'started');
  t.is(port.countOf('describe'), 1);
  t.is((await start(port, deliverable({ key: 'k', source: { offset: 1n } }))).outcome, 'duplicate');
  t.is(
    (await start(port, deliverable({ key: 'k', source: { offset: 1n, value: Buffer.from('x') } }))).outcome,
    'conflict',
  );
  const foreign = await start(port, deliverable({ key: 'k' }), { ...SCOPE, name: 'invoices' });
  t.is(foreign.outcome, 'foreign');
  t.regex(foreign.message, /subscription `orders`, route `placed`/);
});

test('a topic made anew has other records at the same offsets: they are not taken for the old ones', async (t) => {
  const port = await afterReset();
  const anew = deliverable({ key: 'k', source: { timestampMs: 1, value: Buffer.from('x') } });
  t.is((await start(port, anew)).outcome, 'conflict');
});

test("a start of the user's own is foreign, and named", async (t) => {
  const port = new TemporalDouble();
  port.plant('k', 'somebody');
  const answer = await start(port);
  t.is(answer.outcome, 'foreign');
  t.regex(answer.message, /a start that no bridge made \(planted\)/);
});

test('a server that does not say whose the ID is is asked for the memo', async (t) => {
  const port = new TemporalDouble();
  await start(port);
  port.plant('k', undefined);
  t.is((await start(port)).outcome, 'started');
});

test('a holder that is gone when it is asked for is no holder: the start is tried again', async (t) => {
  const port = new TemporalDouble();
  port.plant('k', 'somebody');
  const describe = port.describe.bind(port);
  port.describe = (id) => {
    port.delete(id);
    return describe(id);
  };
  t.is((await start(port)).outcome, 'started');
  t.is(port.countOf('start'), 2);
});

test('a fault of either call passes to who asked', async (t) => {
  const port = await afterReset();
  port.fail({ calls: ['describe'] });
  t.is((await t.throwsAsync(start(port), { instanceOf: TemporalFault }))?.kind, 'systemic');
  port.fail();
  t.is((await t.throwsAsync(start(port), { instanceOf: TemporalFault }))?.kind, 'systemic');
});
