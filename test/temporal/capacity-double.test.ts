import test from 'ava';
import { CapacityDouble } from '../helpers/doubles/capacity-double.js';
import { capacityPortContract } from './capacity-port-contract.js';

capacityPortContract(test, async () => {
  const port = new CapacityDouble();
  return {
    port,
    terminate: async () => port.terminate(),
    stopWorker: async () => void (port.worked = false),
  };
});
