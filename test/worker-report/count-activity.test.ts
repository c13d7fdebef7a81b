import test from 'ava';
import { ApplicationFailure, CompleteAsyncError, defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { MarkRun, releaseCapacity, type HandlerCall } from '../../activities/index.js';
import { CapacityLedger } from '../../bridge/worker-report/capacity-ledger.js';
import { CountActivity } from '../../bridge/worker-report/count-activity.js';
import { SLOT_HEADER } from '../../workflows/capacity/contract.js';
import { SILENT } from '../helpers/doubles/silent-logger.js';

interface Call {
  readonly header?: unknown;
  readonly handles?: boolean;
  readonly info?: Record<string, unknown>;
}

/** An activity with that header, under the interceptors that our own Worker has, and what the ledger holds meanwhile. */
function call({ header, handles = true, info = {} }: Call = {}) {
  const ledger = new CapacityLedger();
  const environment = new MockActivityEnvironment(
    { retryPolicy: {}, scheduleToCloseTimeoutMs: 0, ...info } as never,
    {
      logger: SILENT,
      interceptors: [
        () => ({
          inbound: {
            execute: (input, next) =>
              next(
                header === undefined
                  ? input
                  : { ...input, headers: { [SLOT_HEADER]: defaultPayloadConverter.toPayload(header) } },
              ),
          },
        }),
        (context) => ({ inbound: new CountActivity(context, ledger, { handles }) }),
        (context) => ({ inbound: new MarkRun(context) }),
      ],
    },
  );
  return { ledger, run: (handler: (call?: HandlerCall) => Promise<unknown>) => environment.run(handler) };
}

test("a record's activity runs under its slot, and its time counts", async (t) => {
  const { ledger, run } = call({ header: 'bridge.0:5' });
  await run(async () => t.like(ledger.take(), { running: { 'bridge.0': '5' }, others: 0 }));
  const after = ledger.take();
  t.like(after, { running: {}, released: {}, others: 0 });
  t.deepEqual([after.responses.count, after.waits.count], [1, 1]);
});

test('an activity without a slot, or with a header that is none, is another one', async (t) => {
  for (const header of [undefined, 'nonsense', { bridge: 0 }]) {
    const { ledger, run } = call({ header });
    await run(async () => t.like(ledger.take(), { running: {}, others: 1 }));
    t.like(ledger.take(), { others: 0, responses: { count: 0 }, waits: { count: 0 } });
  }
});

test("where the workflow is the handler its activities' times don't count", async (t) => {
  const { ledger, run } = call({ header: 'bridge.0:5', handles: false });
  await run(async () => 'done');
  t.like(ledger.take(), { responses: { count: 0 }, waits: { count: 1 } });
});

test('`releaseCapacity()` releases at once, and ends the response time; both ways, and twice', async (t) => {
  const { ledger, run } = call({ header: 'bridge.0:5' });
  await run(async (handler) => {
    handler!.releaseCapacity();
    releaseCapacity();
    t.like(ledger.take(), {
      running: { 'bridge.0': '5' },
      released: { 'bridge.0': '5' },
      responses: { count: 1 },
    });
  });
  t.is(ledger.take().responses.count, 1);
});

test('`releaseCapacity()` without a slot, and outside of an activity, does nothing', async (t) => {
  t.notThrows(releaseCapacity);
  const { ledger, run } = call();
  await run(async (handler) => {
    handler!.releaseCapacity();
    releaseCapacity();
  });
  t.deepEqual(ledger.take().released, {});
});

test('a failure releases only where the next attempt is far away', async (t) => {
  const near = call({ header: 'bridge.0:5', info: { retryPolicy: { initialInterval: 10_000 } } });
  await t.throwsAsync(near.run(async () => Promise.reject(new Error('no'))));
  t.like(near.ledger.take(), { released: {}, responses: { count: 1 } });
  const far = call({ header: 'bridge.0:5', info: { retryPolicy: { initialInterval: 10_001 } } });
  await t.throwsAsync(far.run(async () => Promise.reject(new Error('no'))));
  t.deepEqual(far.ledger.take().released, { 'bridge.0': '5' });
  const asked = call({ header: 'bridge.0:5' });
  const later = ApplicationFailure.create({ message: 'later', nextRetryDelay: '1 minute' });
  await t.throwsAsync(asked.run(async () => Promise.reject(later)));
  t.like(asked.ledger.take(), { released: { 'bridge.0': '5' }, responses: { count: 1 } });
});

test('an activity that goes on elsewhere has given no response', async (t) => {
  const { ledger, run } = call({ header: 'bridge.0:5' });
  await t.throwsAsync(run(async () => Promise.reject(new CompleteAsyncError())));
  t.like(ledger.take(), { released: {}, running: {}, responses: { count: 0 } });
});

test('a local activity has waited for no worker', async (t) => {
  const { ledger, run } = call({ header: 'bridge.0:5', info: { isLocal: true } });
  await run(async () => 'done');
  t.is(ledger.take().waits.count, 0);
});
