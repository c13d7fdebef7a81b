import test from 'ava';
import type { QuarantineInput } from '../../workflows/contract.js';
import { createDispatch } from '../../bridge/delivery/dispatch.js';
import { quarantineRequestOf } from '../../bridge/delivery/quarantine-start.js';
import { BridgeError } from '../../bridge/errors.js';
import type { Route } from '../../bridge/config/types.js';
import type { BridgeConfig } from '../../bridge/config/types.js';
import type { SourceRecord } from '../../bridge/record.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { SCOPE } from '../helpers/doubles/mapped-records.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { mapperOf, record, route } from '../intake/records.js';

function inputOf(source: SourceRecord): QuarantineInput {
  const request = quarantineRequestOf(
    { source, reason: 'undecodable', message: 'it was not JSON', routeId: undefined },
    SCOPE,
    1,
  );
  return JSON.parse(JSON.stringify(request.args[0])) as QuarantineInput;
}

const keyed = (value: unknown = { id: 1 }): SourceRecord =>
  record({ value, headers: { 'idempotency-key': 'k' } });

function setup(routes: readonly Route[] = [route()], others: Partial<BridgeConfig> = {}) {
  const port = new TemporalDouble();
  return { port, dispatch: createDispatch(mapperOf(routes, others), port, SCOPE) };
}

test('a mended record goes through: its execution is the one that it would have had', async (t) => {
  const { port, dispatch } = setup();
  const result = await dispatch(inputOf(keyed()));
  const execution = port.executions.get('k');
  t.deepEqual(result, { outcome: 'started', workflowId: 'k', runId: execution?.runId });
  t.deepEqual(execution?.request.args[0], { id: 1 });
  t.deepEqual(await dispatch(inputOf(keyed())), result, 'and met again, if the call is repeated');
});

test('what still can not be taken is refused with the reason of today', async (t) => {
  const { dispatch } = setup();
  t.like(await dispatch(inputOf(record({ value: 'not JSON' }))), { reason: 'undecodable' });
  const unrouted = await setup([route({ eventType: 'x' })]).dispatch(inputOf(keyed()));
  t.like(unrouted, { reason: 'unroutable' });
});

test('a record that a filter passes by is done', async (t) => {
  const { dispatch, port } = setup([route({ filter: () => false })]);
  t.deepEqual(await dispatch(inputOf(keyed())), { outcome: 'filtered', workflowId: null, runId: null });
  t.is(port.executions.size, 0);
});

test('a record that has become too old meanwhile is done, or refused as before', async (t) => {
  const { dispatch, port } = setup([route({ maxAgeMs: 1000 })]);
  t.deepEqual(await dispatch(inputOf(keyed())), { outcome: 'expired', workflowId: null, runId: null });
  const visible = setup([route({ maxAgeMs: 1000, onExpired: 'quarantine' })]);
  t.like(await visible.dispatch(inputOf(keyed())), { reason: 'expired' });
  t.is(port.executions.size, 0);
});

test('a key that was taken: a duplicate is done, a conflict is refused unless the route says otherwise', async (t) => {
  const { dispatch, port } = setup();
  await dispatch(inputOf(keyed()));
  const other = { ...keyed(), offset: 43n };
  t.like(await dispatch(inputOf(other)), { outcome: 'duplicate', workflowId: 'k' });
  const differing = inputOf({ ...keyed({ id: 2 }), offset: 44n });
  t.like(await dispatch(differing), { reason: 'conflict' });
  const lenient = createDispatch(mapperOf([route({ onConflict: 'duplicate' })]), port, SCOPE);
  t.like(await lenient(differing), { outcome: 'duplicate', workflowId: 'k' });
  const elsewhere = createDispatch(mapperOf([route({ id: 'another' })]), port, SCOPE);
  t.like(await elsewhere(differing), { reason: 'foreign' });
});

test("another subscription's quarantine is refused: its IDs would be others", async (t) => {
  const { dispatch, port } = setup();
  const refused = await dispatch({ ...inputOf(keyed()), subscription: 'invoices' });
  t.like(refused, { reason: 'rejected' });
  t.regex((refused as { refused: string }).refused, /`orders`.*`invoices`/);
  t.is(port.calls.length, 0);
});

test('where only the place was kept the reason stays', async (t) => {
  const { dispatch } = setup();
  t.deepEqual(await dispatch({ ...inputOf(keyed()), raw: null, reason: 'oversized', message: 'too large' }), {
    refused: 'too large',
    reason: 'oversized',
  });
});

test('what is systemic is thrown, and tried again by Temporal', async (t) => {
  const { dispatch, port } = setup();
  port.fail();
  await t.throwsAsync(dispatch(inputOf(keyed())), { instanceOf: TemporalFault });
  const registry = new BridgeError('KTB_RECORD', 'the registry is away', { retryable: true });
  const undecided = setup([
    route({
      decoder: () => {
        throw registry;
      },
    }),
  ]);
  const error = await t.throwsAsync<BridgeError>(undecided.dispatch(inputOf(keyed())), {
    message: registry.message,
  });
  t.true(error?.retryable);
});

test('what Temporal refuses is refused with its kind', async (t) => {
  const { dispatch, port } = setup();
  for (const kind of ['oversized', 'rejected'] as const) {
    port.fail({ fault: () => new TemporalFault(kind, 'no') });
    t.deepEqual(await dispatch(inputOf(keyed())), { refused: 'no', reason: kind });
  }
});
