/**
 * What feeds Temporal without the bridge, in a process of its own, as the bridge is one: `naive` is what everybody
 * writes first, `ceiling` starts without Kafka as fast as Temporal takes it. It says `ready` once it is connected, and
 * `ceiling` starts what it is told by messages.
 */
import { Client, Connection } from '@temporalio/client';
import { kafkaClient } from '../test/helpers/kafka.js';

export interface FeederSettings {
  readonly way: 'naive' | 'ceiling';
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly idPrefix: string;
  /** Starts under way at a time, of `ceiling`. */
  readonly concurrency: number;
}

/** What `ceiling` is told to start. */
export interface Feed {
  readonly keys: readonly string[];
  readonly value: string;
}

const settings = JSON.parse(process.argv[2]!) as FeederSettings;
const connection = await Connection.connect({ address: settings.address });
const client = new Client({ connection, namespace: settings.namespace });
// Our parent's end is ours.
process.on('disconnect', () => process.exit(0));
await (settings.way === 'naive' ? naive() : ceiling());
process.send!('ready');

function start(
  key: string,
  value: string,
  partition: number,
  offset: string,
  timestamp: number,
): Promise<unknown> {
  const { topic, idPrefix, taskQueue } = settings;
  const headers = { 'idempotency-key': key };
  const record = { topic, partition, offset, key, headers, timestamp, eventType: null, idempotencyKey: key };
  return client.workflow.start('work', {
    workflowId: idPrefix + key,
    taskQueue,
    args: [JSON.parse(value), record],
  });
}

async function naive(): Promise<void> {
  const { brokers, topic, groupId } = settings;
  const consumer = kafkaClient(brokers).consumer({ groupId, maxWaitTimeInMs: 250 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const joined = new Promise<void>(
    (resolve) => void consumer.on(consumer.events.GROUP_JOIN, () => resolve()),
  );
  await consumer.run({
    // Kind to it: one after the other, over all partitions, is kafkajs's default.
    partitionsConsumedConcurrently: 8,
    eachMessage: async ({ partition, message }) => {
      const key = message.headers?.['idempotency-key']?.toString() ?? '';
      try {
        await start(key, String(message.value), partition, message.offset, Number(message.timestamp));
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'WorkflowExecutionAlreadyStartedError') throw error;
      }
    },
  });
  await joined;
}

async function ceiling(): Promise<void> {
  process.on('message', ({ keys, value }: Feed) => {
    let next = 0;
    const one = async (): Promise<void> => {
      while (next < keys.length) await start(keys[next++]!, value, 0, '0', Date.now());
    };
    void Promise.all(Array.from({ length: settings.concurrency }, one));
  });
}
