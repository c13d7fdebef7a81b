import test from 'ava';
import type { SignalRoute } from '../../bridge/config/types.js';
import { delivered, mapOne, type RecordFields } from './records.js';

const signalRoute = (workflowId: SignalRoute['workflowId']): SignalRoute => ({
  id: 'paid',
  topic: 'orders',
  signal: 'paymentReceived',
  workflowId,
});

const idOf = async (workflowId: SignalRoute['workflowId'], fields: RecordFields = {}) =>
  delivered(await mapOne([signalRoute(workflowId)], fields)).targetId;

const reasonOf = async (
  workflowId: SignalRoute['workflowId'],
  fields: RecordFields = {},
): Promise<string> => {
  const mapped = await mapOne([signalRoute(workflowId)], fields);
  if (mapped.kind !== 'quarantine' || mapped.reason !== 'invalid-target')
    throw new Error(`Expected a quarantine for its target, got ${mapped.kind}`);
  return mapped.message;
};

test("the target's ID comes from a pointer or a function, verbatim", async (t) => {
  t.is(await idOf('/orderId', { value: { orderId: 'order/17 ä' } }), 'order/17 ä');
  t.is(await idOf('/orderId', { value: { orderId: 17 } }), '17');
  t.is(
    await idOf((event: { n: number }, record) => `${record.topic}-${event.n}`, { value: { n: 3 } }),
    'orders-3',
  );
  t.is(await idOf(() => 'ä'.repeat(127)), 'ä'.repeat(127));
});

test('a record of another kind of route has no target', async (t) => {
  t.is(delivered(await mapOne([{ topic: 'orders', workflow: 'w' }], {})).targetId, undefined);
});

test('an ID that is missing, of ours, too long or no ID at all is quarantined, with the reason', async (t) => {
  t.is(await reasonOf('/orderId'), 'Expected the event to have at "/orderId" a workflow\'s ID, got none');
  t.is(
    await reasonOf(() => ''),
    "Expected the route's `workflowId` function to give a workflow's ID, got none",
  );
  t.regex(
    await reasonOf(() => 'ktb/capacity/orders'),
    /doesn't begin with 'ktb\/', got ktb\/capacity\/orders: that is one of ours$/,
  );
  t.regex(await reasonOf(() => 'ä'.repeat(128)), /at most 255 bytes, got one of 256$/);
  t.regex(
    await reasonOf('/o', { value: { o: { id: 1 } } }),
    /a whole number below 2\^53, got a value of type object$/,
  );
  t.regex(await reasonOf('/o', { value: { o: 1e21 } }), /a whole number below 2\^53/);
  t.regex(await reasonOf(() => 'a\u0000b'), /without control characters/);
  t.regex(await reasonOf(() => '\ud800'), /lone surrogates/);
  t.regex(await reasonOf(() => Promise.resolve('x') as never), /got a promise: it must be synchronous$/);
  const throws = () => {
    throw new Error('no order');
  };
  t.is(await reasonOf(throws), "The route's `workflowId` function failed: no order");
});

test('a signal is never delayed: the header `not-before` says nothing to it', async (t) => {
  const headers = { 'not-before': 'soon' };
  t.is(delivered(await mapOne([signalRoute(() => 'x')], { headers })).notBeforeMs, undefined);
});
