import test from 'ava';
import { SdkTemporalPort } from '../../bridge/temporal/sdk-temporal-port.js';
import { deliveryContract, type DeliveryUnderTest } from '../delivery/delivery-contract.js';
import { workflowDelivery } from '../delivery/delivery-doubles.js';
import { SCOPE } from '../helpers/doubles/mapped-records.js';
import { UnreliablePort } from '../helpers/doubles/unreliable-port.js';
import { testStack, unique } from '../helpers/stack.js';
import { plainTemporal } from '../helpers/temporal.js';

const opened: SdkTemporalPort[] = [];

async function open(): Promise<DeliveryUnderTest> {
  const taskQueue = unique('delivery');
  const real = new SdkTemporalPort(plainTemporal((await testStack()).temporal, taskQueue));
  opened.push(real);
  const port = new UnreliablePort(real);
  return {
    delivery: workflowDelivery(port, { scope: { ...SCOPE, taskQueue } }).delivery,
    port,
    finish: () => undefined,
  };
}

test.after.always(async () => {
  await Promise.all(opened.map((port) => port.close()));
});

// What is awaited stands in Temporal's history, not in a worker's: nobody polls these queues.
deliveryContract(test.serial as typeof test, open);
