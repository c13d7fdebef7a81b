/** The demo's events, each with what should become of it. */
import type { OrderPlaced, PaymentReceived } from './events.js';

export type Expected = 'completed' | 'failed' | 'duplicate' | 'conflict' | 'quarantined';

export interface DemoRecord {
  readonly topic: 'orders' | 'payments';
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expected: Expected;
}

const ARTICLES = ['lamp', 'chair', 'table', 'shelf'];

/** @param orders how many different orders */
export function demoRecords(orders: number): DemoRecord[] {
  const records: DemoRecord[] = [];
  for (let n = 0; n < orders; n++) {
    const order: OrderPlaced = { orderId: `order-${n}`, article: ARTICLES[n % 4]!, quantity: 1 + (n % 5) };
    records.push(placed(order, 'completed'));
    // One in ten comes twice, as a producer's retry would send it.
    if (n % 10 === 0) records.push(placed(order, 'duplicate'));
    if (n % 4 === 0)
      records.push(
        received({ paymentId: `payment-${n}`, orderId: order.orderId, cents: 500 + n }, 'completed'),
      );
  }
  records.push(placed({ orderId: 'order-1', article: 'sofa', quantity: 99 }, 'conflict'));
  records.push(placed({ orderId: 'order-unicorn', article: 'unicorn', quantity: 1 }, 'failed'));
  records.push({
    topic: 'orders',
    key: 'order-broken',
    value: '{"orderId": "order-broken", ',
    headers: { 'event-type': 'order.placed', 'idempotency-key': 'order-broken' },
    expected: 'quarantined',
  });
  records.push({
    topic: 'orders',
    key: 'order-0',
    value: JSON.stringify({ orderId: 'order-0' }),
    headers: { 'event-type': 'order.forgotten', 'idempotency-key': 'order-0-forgotten' },
    expected: 'quarantined',
  });
  records.push(
    received(
      { paymentId: 'payment-slow', orderId: 'order-2', cents: 700, trouble: 'bank-slow' },
      'completed',
    ),
  );
  records.push(
    received(
      { paymentId: 'payment-stolen', orderId: 'order-3', cents: 900, trouble: 'card-stolen' },
      'failed',
    ),
  );
  return records;
}

function placed(order: OrderPlaced, expected: Expected): DemoRecord {
  return {
    topic: 'orders',
    key: order.orderId,
    value: JSON.stringify(order),
    headers: { 'event-type': 'order.placed', 'idempotency-key': order.orderId },
    expected,
  };
}

function received(payment: PaymentReceived, expected: Expected): DemoRecord {
  return {
    topic: 'payments',
    key: payment.orderId,
    value: JSON.stringify(payment),
    headers: { 'event-type': 'payment.received', 'idempotency-key': payment.paymentId },
    expected,
  };
}
