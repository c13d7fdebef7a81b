import { createRequire } from 'node:module';
import test from 'ava';
import { kafkaState } from '../../bridge/intake/kafka-answers.js';

const require = createRequire(import.meta.url);
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode: (code: number) => Error;
};
const { KafkaJSNumberOfRetriesExceeded } = require('kafkajs/src/errors') as {
  KafkaJSNumberOfRetriesExceeded: new (error: Error, retry: object) => Error;
};

test("a broker that has just started and not loaded the group is told from one that doesn't answer", (t) => {
  const loading = 'answers, but has no coordinator for the group yet';
  for (const code of [14, 15]) {
    const error = createErrorFromCode(code);
    t.is(kafkaState(error.message), loading, error.message);
    t.is(kafkaState(new KafkaJSNumberOfRetriesExceeded(error, {}).message), loading);
  }
  t.is(kafkaState('Failed to find group coordinator'), loading, "kafkajs's own, where every broker refused");
  for (const why of ['connect ECONNREFUSED 127.0.0.1:9092', createErrorFromCode(13).message]) {
    t.is(kafkaState(why), 'does not answer');
  }
});
