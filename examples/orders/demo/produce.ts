import { Kafka, logLevel, Partitioners } from 'kafkajs';
import type { DemoRecord } from '../orders.js';
import { env, print } from './environment.js';

export async function produce(records: readonly DemoRecord[]): Promise<void> {
  const kafka = new Kafka({
    clientId: 'orders-demo',
    brokers: env('KAFKA_BROKERS').split(','),
    logLevel: logLevel.NOTHING,
  });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  for (let from = 0; from < records.length; from += 100) {
    const slice = records.slice(from, from + 100);
    await producer.sendBatch({
      acks: -1,
      topicMessages: (['orders', 'payments'] as const).map((topic) => ({
        topic,
        messages: slice
          .filter((record) => record.topic === topic)
          .map(({ key, value, headers }) => ({ key, value, headers: { ...headers } })),
      })),
    });
  }
  await producer.disconnect();
  print(`Produced ${records.length} events to the topics orders and payments.`);
}
