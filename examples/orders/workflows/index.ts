import { proxyActivities } from '@temporalio/workflow';
import type { RecordInfo } from '../../../workflows/contract.js';
import type * as activities from '../activities/index.js';
import type { OrderPlaced } from '../events.js';

const { reserveStock, shipOrder } = proxyActivities<typeof activities>({
  startToCloseTimeout: '30s',
  retry: { maximumAttempts: 3, initialInterval: '200ms', nonRetryableErrorTypes: ['UnknownArticle'] },
});

/** One execution for each order, whatever is redelivered or killed. */
export async function fulfilOrder(order: OrderPlaced, record: RecordInfo): Promise<string> {
  const reservation = await reserveStock(order);
  return shipOrder(order, reservation, record.idempotencyKey ?? order.orderId);
}
