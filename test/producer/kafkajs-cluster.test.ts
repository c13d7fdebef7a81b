/** What we take of kafkajs beneath its public API: these fail when an update no longer has it. */
import { createRequire } from 'node:module';
import test from 'ava';
import { Kafka, logLevel } from 'kafkajs';
import { clusterOf } from '../../bridge/producer/kafkajs-cluster.js';

const require = createRequire(import.meta.url);

test("kafkajs's client still makes clusters that have what the sender calls", (t) => {
  const cluster = clusterOf(new Kafka({ brokers: ['127.0.0.1:1'], logLevel: logLevel.NOTHING }), 1_000);
  for (const name of [
    'connect',
    'disconnect',
    'isConnected',
    'refreshMetadata',
    'addMultipleTargetTopics',
    'findBroker',
    'findControllerBroker',
    'removeBroker',
  ] as const)
    t.is(typeof cluster[name], 'function', name);
  t.true(cluster.targetTopics instanceof Set);
  t.false(cluster.isConnected());
  t.is(cluster.brokerPool.metadata, null);
  t.deepEqual(cluster.brokerPool.brokers, {});
});

test("metadata is asked for by kafkajs's own request, without its judgement of all topics by one", async (t) => {
  const { Metadata } = (
    require('kafkajs/src/protocol/requests/index.js') as {
      requests: { Metadata: { versions: string[]; protocol(of: object): (options: object) => object } };
    }
  ).requests;
  t.true(Metadata.versions.length > 0);
  const { request, response } = Metadata.protocol({ version: 5 })({ topics: ['t'] }) as {
    request: { apiKey: number };
    response: { decode: unknown };
  };
  t.is(request.apiKey, 3);
  t.is(typeof response.decode, 'function');
});

test("a request's bytes go through kafkajs's encoder as they are", (t) => {
  const Encoder = require('kafkajs/src/protocol/encoder.js') as new (size: number) => {
    writeBufferInternal(bytes: Buffer): void;
    readonly buffer: Buffer;
  };
  const encoder = new Encoder(3);
  encoder.writeBufferInternal(Buffer.from('bytes'));
  t.deepEqual(encoder.buffer, Buffer.from('bytes'));
});
