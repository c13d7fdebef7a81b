import { defineConfig } from './bridge/index.js';
import type * as activities from './examples/orders/activities/index.js';
import type * as workflows from './examples/orders/workflows/index.js';

/** The orders example. In a project of your own the first line reads: from 'kafka-temporal-bridge'. */
export default defineConfig<typeof workflows, typeof activities>({
  name: 'orders',
  kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
  temporal: { address: 'localhost:7233', namespace: 'default', taskQueue: 'orders' },
  worker: {
    workflowsPath: './examples/orders/workflows/index.ts',
    activities: './examples/orders/activities/index.ts',
  },
  routes: [
    { topic: 'orders', eventType: 'order.placed', workflow: 'fulfilOrder' },
    {
      topic: 'payments',
      eventType: 'payment.received',
      activity: 'recordPayment',
      retry: { maximumAttempts: 5, initialIntervalMs: 200, nonRetryableErrors: ['CardStolen'] },
    },
  ],
});
