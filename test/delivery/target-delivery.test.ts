import test from 'ava';
import { QueueAdmission } from '../../bridge/admission/admission.js';
import type { SignalRoute } from '../../bridge/config/types.js';
import { CloseWatch } from '../../bridge/delivery/close-watch.js';
import { TargetDelivery } from '../../bridge/delivery/target-delivery.js';
import type { DeliverableRecord, MappedRecord } from '../../bridge/intake/mapped-record.js';
import { deliverable, poison, routeOf } from '../helpers/doubles/mapped-records.js';
import { CountedPermit, Notes } from '../helpers/doubles/observer.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { until } from '../helpers/until.js';
import { deliveryContract } from './delivery-contract.js';
import { workflowDelivery } from './delivery-doubles.js';

function setup(limit = 100) {
  const port = new TemporalDouble();
  const { delivery: inner, holds } = workflowDelivery(port);
  const admission = new QueueAdmission(limit);
  const delivery = new TargetDelivery({ inner, closeWatch: new CloseWatch(port), admission });
  const notes = new Notes();
  const abort = new AbortController();
  const deliver = (record: MappedRecord, permit = new CountedPermit(1), signal = abort.signal) => {
    const delivered = delivery.deliver([record], permit, notes, signal);
    return { delivered, permit };
  };
  return { port, delivery, notes, abort, deliver, holds, admission };
}

deliveryContract(test, async () => {
  const { port, delivery } = setup();
  return { delivery, port, finish: () => undefined };
});

const ROUTE = routeOf({ signal: 'paid', workflowId: '/id' } as Partial<SignalRoute> as never);

const signalOf = (offset: number, targetId: string, partition = 0): DeliverableRecord =>
  deliverable({
    key: `k${partition}-${offset}`,
    route: ROUTE,
    targetId,
    source: { offset: BigInt(offset), partition },
  });

/** The memo of a holder with another value: a conflict, so it needs a quarantine, and is given back where its route is held. */
const OTHER_VALUE = { subscription: 'orders', route: 'placed', valueHash: 'another' };

const isStarted = (port: TemporalDouble, key: string) =>
  until(() => port.executions.has(key), { what: `${key} to be started`, everyMs: 2 });

test('a record is accepted when its execution has closed, and its permit is back when it has started', async (t) => {
  const { port, notes, deliver } = setup();
  const record = signalOf(0, 'order');
  const { permit, delivered } = deliver(record);
  await isStarted(port, 'k0-0');
  await until(() => permit.releases === 1, { what: 'the permit', everyMs: 2 });
  t.deepEqual(notes.of(record), []);
  t.like(port.executions.get('k0-0')?.request, { workflowType: 'ktbTargetRoute', taskQueue: 'orders-ktb' });
  port.end('k0-0', 'completed');
  await delivered;
  t.deepEqual(notes.of(record), ['accepted', 'settled']);
  t.is(notes.settlements.get(record)?.outcome, 'started');
  t.is(permit.releases, 1);
});

test("what is sent is the route's, with the record's own request ID", async (t) => {
  const { port, deliver } = setup();
  const route = routeOf({
    signal: 'paid',
    workflowId: '/id',
    start: 'fulfilOrder',
    options: { memo: { team: 'a' }, workflowRunTimeout: '1 hour' },
  } as never);
  const { delivered } = deliver({ ...signalOf(0, 'order'), route });
  await isStarted(port, 'k0-0');
  const input = port.executions.get('k0-0')?.request.args[2] as { requestId: string };
  t.like(input, {
    kind: 'signal',
    name: 'paid',
    workflowId: 'order',
    waitForWorkflowMs: 60_000,
    onClosed: 'deadLetter',
    start: {
      workflow: 'fulfilOrder',
      taskQueue: 'orders',
      memo: { team: 'a' },
      workflowRunTimeout: '1 hour',
    },
  });
  t.regex(input.requestId, /^to:v1:[0-9a-f:]+$/);
  port.end('k0-0');
  await delivered;
});

test('the next record of a target starts when the one before has closed, well or not; other targets go on', async (t) => {
  const { port, notes, deliver } = setup();
  const [first, second, third, other] = [
    signalOf(0, 'order'),
    signalOf(1, 'order'),
    signalOf(2, 'order', 7),
    signalOf(3, 'another'),
  ];
  const all = [first!, second!, third!, other!].map((record) => deliver(record).delivered);
  await isStarted(port, 'k0-0');
  await isStarted(port, 'k0-3');
  t.is(port.executions.size, 2);
  port.end('k0-0', 'failed');
  await isStarted(port, 'k0-1');
  t.false(port.executions.has('k7-2'));
  port.end('k0-1', 'completed');
  await isStarted(port, 'k7-2');
  port.end('k7-2');
  port.end('k0-3');
  await Promise.all(all);
  t.deepEqual(notes.outcomes([first!, second!, third!, other!]), [
    'started',
    'started',
    'started',
    'started',
  ]);
});

test('a record that waits for its turn has no permit, and takes another one when its turn has come', async (t) => {
  const { port, deliver, admission } = setup(1);
  const first = deliver(signalOf(0, 'order'));
  const second = deliver(signalOf(1, 'order'));
  await until(() => second.permit.releases === 1, { what: 'the permit of the second', everyMs: 2 });
  admission.hold('backlog');
  await isStarted(port, 'k0-0');
  port.end('k0-0');
  await first.delivered;
  await until(() => admission.state().waiting === 1, { what: 'the second to ask again', everyMs: 2 });
  t.false(port.executions.has('k0-1'));
  admission.lift('backlog');
  await isStarted(port, 'k0-1');
  port.end('k0-1');
  await second.delivered;
  t.is(admission.state().inFlight, 0);
});

test('after the signal all is given back: what is open, what waits for its turn; the next owner meets it again', async (t) => {
  const { port, notes, abort, deliver } = setup();
  const [open, waits] = [signalOf(0, 'order'), signalOf(1, 'order')];
  const all = [open, waits].map((record) => deliver(record));
  await isStarted(port, 'k0-0');
  abort.abort();
  await Promise.all(all.map(({ delivered }) => delivered));
  for (const record of [open, waits]) t.deepEqual(notes.of(record), ['returned']);
  for (const { permit } of all) t.is(permit.releases, 1);

  const next = new TargetDelivery({
    inner: workflowDelivery(port).delivery,
    closeWatch: new CloseWatch(port),
    admission: new QueueAdmission(1),
  });
  const later = new Notes();
  const { signal } = new AbortController();
  const again = [open, waits].map((record) => next.deliver([record], new CountedPermit(1), later, signal));
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.false(port.executions.has('k0-1'));
  port.end('k0-0');
  await isStarted(port, 'k0-1');
  port.end('k0-1');
  await Promise.all(again);
  t.deepEqual(later.outcomes([open, waits]), ['started', 'started']);
  t.is(port.executions.size, 2);
});

test('a duplicate is settled at once: it is not delivered', async (t) => {
  const { port, notes, deliver } = setup();
  const first = signalOf(0, 'order');
  const { delivered } = deliver(first);
  await isStarted(port, 'k0-0');
  const same = { ...signalOf(1, 'another'), key: first.key };
  await deliver(same).delivered;
  t.deepEqual(notes.outcomes([same]), ['duplicate']);
  port.end('k0-0');
  await delivered;
});

test('where one was given back, the later ones of its target are too, until it has come again', async (t) => {
  const { port, notes, deliver, holds } = setup();
  const [first, second, third] = [signalOf(0, 'order'), signalOf(1, 'order'), signalOf(2, 'order')];
  port.plant('k0-0', 'reset', OTHER_VALUE);
  holds.hold({ scope: { topic: 'orders', routeId: 'placed' }, reason: 'operator', message: '', since: 0 });
  await Promise.all([first, second].map((record) => deliver(record).delivered));
  t.deepEqual(notes.of(first), ['returned']);
  t.deepEqual(notes.of(second), ['returned']);
  await deliver(third).delivered; // mapped before they were put back
  t.deepEqual(notes.of(third), ['returned']);
  t.deepEqual([...port.executions.keys()], ['k0-0']);
  holds.lift({ topic: 'orders', routeId: 'placed' });
  port.delete('k0-0');
  const again = [signalOf(0, 'order'), signalOf(1, 'order')];
  const all = again.map((record) => deliver(record).delivered);
  await isStarted(port, 'k0-0');
  port.end('k0-0');
  await isStarted(port, 'k0-1');
  port.end('k0-1');
  await Promise.all(all);
  t.deepEqual(notes.outcomes(again), ['started', 'started']);
});

test('a record that comes again as something else holds up nobody', async (t) => {
  const { port, notes, deliver, holds } = setup();
  const first = signalOf(0, 'order');
  port.plant('k0-0', 'reset', OTHER_VALUE);
  holds.hold({ scope: { topic: 'orders', routeId: 'placed' }, reason: 'operator', message: '', since: 0 });
  await deliver(first).delivered;
  t.deepEqual(notes.of(first), ['returned']);
  holds.lift({ topic: 'orders', routeId: 'placed' });
  await deliver(poison({ source: first.source })).delivered;
  const second = signalOf(1, 'order');
  const { delivered } = deliver(second);
  await isStarted(port, 'k0-1');
  port.end('k0-1');
  await delivered;
  t.deepEqual(notes.outcomes([second]), ['started']);
});

test('records of several kinds in one call give the permit back once', async (t) => {
  const { port, delivery, notes, abort } = setup();
  const all = [signalOf(0, 'a'), deliverable({ key: 'plain', source: { offset: 1n } }), signalOf(2, 'b')];
  const permit = new CountedPermit(3);
  const delivered = delivery.deliver(all, permit, notes, abort.signal);
  for (const key of ['k0-0', 'plain', 'k0-2']) await isStarted(port, key);
  port.end('k0-0');
  port.end('k0-2');
  await delivered;
  t.is(permit.releases, 1);
  t.deepEqual(notes.outcomes(all), ['started', 'started', 'started']);
});
