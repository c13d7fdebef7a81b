import test from 'ava';
import { SenderDouble } from '../helpers/doubles/sender-double.js';
import { senderContract } from './sender-contract.js';

senderContract(test, async () => {
  const sender = new SenderDouble();
  sender.refuses = (value) => (value.length > 1_000_000 ? 'too-large' : undefined);
  return {
    sender,
    create: async (topic, partitions) => void sender.topics.set(topic, partitions),
    log: async (topic, partition) => sender.log(topic, partition),
    loseNextAnswer: () => void sender.faults.push('ack-lost'),
    lonely: () => {
      const away = new SenderDouble();
      away.fault = 'away';
      return away;
    },
  };
});
