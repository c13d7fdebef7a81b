import test from 'ava';
import { defineConfig } from '../../bridge/config/define-config.js';
import { BASE } from './base-config.js';

// `npm run types` compiles this file: an `@ts-expect-error` without an error is one.

interface Workflows {
  fulfilOrder(event: unknown): Promise<void>;
}
interface Activities {
  recordPayment(event: unknown): Promise<void>;
}
const { name, kafka, temporal } = BASE;

test('a name that is exported is taken', (t) => {
  const config = defineConfig<Workflows, Activities>({
    name,
    kafka,
    temporal,
    routes: [
      { topic: 'orders', workflow: 'fulfilOrder' },
      { topic: 'payments', activity: 'recordPayment', retry: { maximumAttempts: 5 } },
      { topic: 'payments', signal: 'paid', workflowId: '/orderId', start: 'fulfilOrder' },
      { topic: 'items', update: 'addItem', workflowId: (event: { id: string }) => event.id },
    ],
  });
  t.is(config.routes.length, 4);
});

test('a wrong name is a compile error', (t) => {
  defineConfig<Workflows, Activities>({
    name,
    kafka,
    temporal,
    routes: [
      // @ts-expect-error -- no such workflow
      { topic: 'orders', workflow: 'fulfillOrder' },
      // @ts-expect-error -- no such activity
      { topic: 'payments', activity: 'recordPayments' },
      // @ts-expect-error -- an activity's name is no workflow's
      { topic: 'payments', workflow: 'recordPayment' },
      // @ts-expect-error -- no such workflow to start
      { topic: 'payments', signal: 'paid', workflowId: '/orderId', start: 'fulfillOrder' },
      // @ts-expect-error -- a signal for nobody
      { topic: 'payments', signal: 'paid' },
      // @ts-expect-error -- a route starts one thing
      { topic: 'payments', workflow: 'fulfilOrder', activity: 'recordPayment' },
    ],
  });
  t.pass();
});

test('without modules every name is taken', (t) => {
  const config = { name, kafka, temporal, routes: [{ topic: 'orders', workflow: 'anything' }] };
  t.is(defineConfig(config), config);
});
