/** The keys of rows that exist in users' databases: a changed form would apply every effect again. */
import test from 'ava';
import { effectCall } from '../../bridge/effects/effect-identity.js';
import { aRecord, inActivity } from '../helpers/effects.js';

const keyed = aRecord({ idempotencyKey: 'order-17' });
const keyless = aRecord({ idempotencyKey: null, partition: 3 });
const workflowExecution = { workflowId: 'shop:payments/order-17', runId: 'any' };

const identityOf = async (
  ...[record, info, name]: [typeof keyed, Parameters<typeof inActivity>[1], string?]
) => (await inActivity(async () => effectCall(record, name), info)).identity;

test('in an activity: namespace, workflow ID, key or coordinates, and activity type or name', async (t) => {
  t.deepEqual(await identityOf(keyed, { workflowExecution }), {
    namespace: 'default',
    execution: 'shop:payments/order-17',
    record: 'order-17',
    effect: 'recordPayment',
  });
  t.deepEqual(await identityOf(keyless, { workflowExecution }, 'debit'), {
    namespace: 'default',
    execution: 'shop:payments/order-17',
    record: 'ktb/record/payments/3/17@1700000000000',
    effect: 'debit',
  });
});

test('in an activity without a workflow its own ID stands for the execution', async (t) => {
  const { execution } = await identityOf(keyed, {
    workflowExecution: undefined,
    inWorkflow: false,
    activityId: 'nightly-7',
  });
  t.is(execution, 'ktb/activity/nightly-7');
});

test('outside of an activity: key or coordinates, and the name', (t) => {
  t.deepEqual(effectCall(keyed, 'debit').identity, {
    namespace: '',
    execution: '',
    record: 'order-17',
    effect: 'debit',
  });
});

test('every part has at most 255 bytes', async (t) => {
  const long = 'é'.repeat(200);
  const identity = await identityOf(
    aRecord({ idempotencyKey: long }),
    { namespace: long, workflowExecution: { workflowId: long, runId: 'any' } },
    long,
  );
  const cut = `${'é'.repeat(90)}~`;
  for (const [part, value] of Object.entries(identity)) {
    t.true(value.startsWith(cut) && Buffer.byteLength(value) <= 255, part);
  }
});

test('only without a name, and in workflows that are not ours, may another activity ID be another effect', async (t) => {
  const repeatsOnly = async (workflowType: string, name?: string) =>
    (await inActivity(async () => effectCall(keyed, name), { workflowType })).repeatsOnly;
  t.false(await repeatsOnly('fulfilOrder'));
  t.true(await repeatsOnly('fulfilOrder', 'debit'));
  t.true(await repeatsOnly('ktbActivityRoute'));
});
