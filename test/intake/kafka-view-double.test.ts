import test from 'ava';
import { KafkaViewDouble } from '../helpers/doubles/kafka-view-double.js';
import { kafkaViewContract, numbered, recordsOf } from './kafka-view-contract.js';

kafkaViewContract(test, async () => {
  const view = new KafkaViewDouble();
  return {
    view,
    create: async (topic, partitions) => view.create(topic, partitions),
    append: async (topic, messages) => view.append(topic, messages),
    commit: async (topic, partition, offset) => view.commit(topic, partition, offset),
  };
});

test('offsets have gaps, and what has expired is gone', async (t) => {
  const view = new KafkaViewDouble();
  view.create('orders');
  view.append('orders', numbered(2));
  view.gap('orders', 0, 3);
  view.append('orders', numbered(1));
  view.expire('orders', 0, 1n);
  const [range] = await view.ranges('orders', 0n, 100n);
  t.deepEqual(range, { topic: 'orders', partition: 0, from: 1n, to: 6n });
  t.deepEqual(
    (await recordsOf(view.read(range!))).map(({ offset }) => offset),
    [1n, 5n],
  );
});

test('away, it knows of no place and reads nothing', async (t) => {
  const view = new KafkaViewDouble();
  view.create('orders');
  view.append('orders', numbered(1));
  view.away = true;
  t.like(await view.place({ topic: 'orders', partition: 0, offset: '0' }), {
    committed: undefined,
    inLog: undefined,
  });
  await t.throwsAsync(view.ranges('orders', 0n, 1n), { message: /Kafka is away/ });
});
