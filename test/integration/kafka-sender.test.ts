/** The producer's way to Kafka, on a broker of its own behind a proxy that loses answers. */
import test from 'ava';
import { producerOf } from '../../bridge/config/resolve-producer.js';
import { KafkaSender } from '../../bridge/producer/kafka-sender.js';
import { kafkaExchange } from '../faults/wire.js';
import { createTopic, readAll } from '../helpers/kafka.js';
import { proxiedBroker, type ProxiedBroker } from '../helpers/proxied-broker.js';
import { SILENT_LOGGER } from '../producer/dispatcher-harness.js';
import { senderContract, type SenderUnderTest } from '../producer/sender-contract.js';

const PRODUCE = 0;

function senderTo(address: string): KafkaSender {
  return new KafkaSender({
    kafka: { brokers: [address], clientId: 'contract', ssl: undefined, sasl: undefined },
    // Without compression: what is too large shall not become small.
    producer: producerOf({ compression: 'none', requestTimeoutMs: 5_000 }, '/'),
    logger: SILENT_LOGGER,
    metadataMaxAgeMs: 60_000,
  });
}

let started: Promise<ProxiedBroker> | undefined;

async function open(t: { teardown(fn: () => Promise<void>): void }): Promise<SenderUnderTest> {
  const { brokers, proxy } = await (started ??= proxiedBroker());
  const sender = senderTo(proxy.address);
  t.teardown(() => sender.close());
  return {
    sender,
    create: async (topic, partitions) => void (await createTopic(brokers, topic, { partitions })),
    log: async (topic, partition) =>
      (await readAll(brokers, topic)).flatMap((one) =>
        one.partition === partition ? [String(one.value)] : [],
      ),
    loseNextAnswer: () => proxy.cutAfterForwarding({ exchange: () => kafkaExchange(PRODUCE) }),
    lonely: () => senderTo('127.0.0.1:1'),
  };
}

test.after.always(async () => {
  await (await started)?.[Symbol.asyncDispose]();
});

// One after another: the answer that is lost must be the one of the test that loses it.
senderContract(test.serial as typeof test, open);
