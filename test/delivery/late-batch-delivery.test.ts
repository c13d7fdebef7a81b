import test from 'ava';
import { deliverable } from '../helpers/doubles/mapped-records.js';
import { LateBatchDelivery } from '../helpers/doubles/late-batch-delivery.js';
import { CountedPermit, Notes } from '../helpers/doubles/observer.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { deliveryContract } from './delivery-contract.js';

deliveryContract(test, async () => {
  const port = new TemporalDouble();
  const delivery = new LateBatchDelivery(port);
  return { delivery, port, finish: () => delivery.settle() };
});

test('what comes in one turn is one execution, settled late and out of order', async (t) => {
  const port = new TemporalDouble();
  const delivery = new LateBatchDelivery(port);
  const notes = new Notes();
  const all = [0n, 1n, 2n].map((offset) => deliverable({ source: { offset } }));
  const permits = all.map(() => new CountedPermit(1));
  const { signal } = new AbortController();
  await Promise.all(all.map((record, index) => delivery.deliver([record], permits[index]!, notes, signal)));
  t.is(port.executions.size, 1);
  t.deepEqual(delivery.batches, [3]);
  t.is(notes.count('accepted'), 3);
  t.is(notes.count('settled'), 0);
  delivery.settle(1);
  t.deepEqual(
    all.map((record) => notes.of(record).length),
    [1, 1, 2],
  );
  t.deepEqual(
    permits.map(({ releases }) => releases),
    [0, 0, 1],
  );
});
