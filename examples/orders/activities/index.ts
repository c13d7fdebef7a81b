import { ApplicationFailure } from '@temporalio/common';
import type { HandlerCall, RecordInfo } from '../../../bridge/index.js';
import type { OrderPlaced, PaymentReceived } from '../events.js';
import { isInCatalogue, isReportedStolen } from '../outside-world.js';

export async function reserveStock(order: OrderPlaced): Promise<string> {
  if (!isInCatalogue(order.article)) {
    throw ApplicationFailure.create({
      message: `There is no article \`${order.article}\``,
      type: 'UnknownArticle',
    });
  }
  return `${order.quantity} x ${order.article}`;
}

export async function shipOrder(order: OrderPlaced, reservation: string, key: string): Promise<string> {
  return `${order.orderId}: shipped ${reservation} (${key})`;
}

/** The activity route's function: it is called once for each payment, and again only if it fails or its worker dies. */
export async function recordPayment(
  payment: PaymentReceived,
  record: RecordInfo,
  call: HandlerCall,
): Promise<string> {
  if (payment.trouble === 'bank-slow' && call.attempt <= 2) throw new Error('The bank does not answer');
  if (isReportedStolen(payment)) {
    throw ApplicationFailure.create({ message: 'The card was reported stolen', type: 'CardStolen' });
  }
  return `${payment.paymentId}: booked ${payment.cents} cents for ${payment.orderId} from ${record.topic}/${record.partition}`;
}
