/** What everybody writes first: `eachMessage`, and a start that is awaited. */
import { Client, Connection } from '@temporalio/client';
import type { Scene } from '../test/faults/scene.js';
import { kafkaClient } from '../test/helpers/kafka.js';

export async function startNaive(scene: Scene): Promise<{ readonly stop: () => Promise<void> }> {
  const connection = await Connection.connect({ address: scene.stack.temporal.address });
  const client = new Client({ connection, namespace: scene.stack.temporal.namespace });
  const consumer = kafkaClient(scene.stack.kafka.brokers).consumer({ groupId: `${scene.groupId}-naive`, maxWaitTimeInMs: 250 });
  await consumer.connect();
  await consumer.subscribe({ topic: scene.topic, fromBeginning: true });
  const joined = new Promise<void>((resolve) => void consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
  await consumer.run({
    partitionsConsumedConcurrently: 8,
    eachMessage: async ({ topic, partition, message }) => {
      const key = message.headers?.['idempotency-key']?.toString() ?? '';
      const record = { topic, partition, offset: message.offset, key: message.key?.toString() ?? null, headers: {}, timestamp: Number(message.timestamp), eventType: null, idempotencyKey: key };
      try {
        await client.workflow.start('work', {
          workflowId: `${scene.name}:${key}`,
          taskQueue: scene.taskQueue,
          args: [JSON.parse(String(message.value)), record],
        });
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'WorkflowExecutionAlreadyStartedError') throw error;
      }
    },
  });
  await joined;
  return {
    stop: async () => {
      await consumer.disconnect();
      await connection.close();
    },
  };
}
