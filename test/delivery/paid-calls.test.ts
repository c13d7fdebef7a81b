import test from 'ava';
import type { Priority } from '../../bridge/config/types.js';
import { paidCalls } from '../../bridge/delivery/paid-calls.js';
import { startRecord } from '../../bridge/delivery/record-start.js';
import { turn } from '../helpers/doubles/clock.js';
import { deliverable, SCOPE } from '../helpers/doubles/mapped-records.js';
import { CountedPermit, Notes } from '../helpers/doubles/observer.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { workflowDelivery } from './delivery-doubles.js';

/** A budget that lets one call pass whenever it is told to. */
class ManualBudget {
  readonly asked: Priority[] = [];
  readonly #waiting: (() => void)[] = [];

  async spend(priority: Priority, signal: AbortSignal): Promise<void> {
    this.asked.push(priority);
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      this.#waiting.push(resolve);
    });
  }

  async pass(): Promise<void> {
    this.#waiting.shift()?.();
    await turn(3);
  }
}

const never = new AbortController().signal;

test('each call of a record is paid for before it is made, at the priority of the record', async (t) => {
  const port = new TemporalDouble();
  const budget = new ManualBudget();
  const record = { ...deliverable({ key: 'k' }), priority: 'low' as const };
  // Somebody else's start holds the ID: the memo must be asked for, which is a call too.
  await port.start({
    workflowId: 'k',
    requestId: 'theirs',
    workflowType: 'w',
    taskQueue: 'q',
    args: [],
    memo: {},
    labels: { record: '', key: undefined, route: undefined, offset: 0n },
  });
  const before = port.calls.length;
  const started = paidCalls(port, budget, 'low', never).then((calls) => startRecord(calls, record, SCOPE, 0));
  await turn(3);
  t.is(port.calls.length, before);
  await budget.pass();
  t.deepEqual(budget.asked, ['low', 'low']);
  await budget.pass();
  t.is((await started).outcome, 'foreign');
});

test('a record that waits for its call holds no bytes, and goes back at the signal', async (t) => {
  const port = new TemporalDouble();
  const budget = new ManualBudget();
  const { delivery } = workflowDelivery(port, { budget });
  const abort = new AbortController();
  const notes = new Notes();
  const large = deliverable({ source: { offset: 0n, sizeBytes: 2 ** 20 } });
  const high = { ...deliverable({ source: { offset: 1n, sizeBytes: 2 ** 20 } }), priority: 'high' as const };
  const permit = new CountedPermit(1);
  const first = delivery.deliver([large], permit, notes, abort.signal);
  const second = delivery.deliver([high], new CountedPermit(1), notes, never);
  await turn(3);
  t.deepEqual(budget.asked, ['medium', 'high']);
  t.is(port.calls.length, 0);
  abort.abort(new Error('over'));
  await first;
  t.is(permit.releases, 1);
  t.deepEqual(notes.of(large), ['returned']);
  await budget.pass();
  await budget.pass();
  await second;
  t.deepEqual(notes.outcomes([high]), ['started']);
});

test('without a budget nothing is asked for', async (t) => {
  const port = new TemporalDouble();
  t.is(await paidCalls(port, undefined, 'low', never), port);
});
