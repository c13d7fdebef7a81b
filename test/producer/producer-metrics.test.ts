/** Each metric goes through a change of what it measures. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Registry } from 'prom-client';
import type { ProducerOptions } from '../../bridge/config/types.js';
import { Producer } from '../../bridge/producer/producer.js';
import { resolveProducerConfig } from '../../bridge/producer/resolve-config.js';
import { SenderDouble } from '../helpers/doubles/sender-double.js';
import { Scrape, type LabelValues } from '../helpers/prometheus.js';
import { until } from '../helpers/until.js';
import { SILENT_LOGGER } from './dispatcher-harness.js';

function setting(t: ExecutionContext, options: ProducerOptions = {}, registry = new Registry()) {
  t.timeout(60_000);
  const kafka = new SenderDouble({ t: 1 });
  const config = resolveProducerConfig({ kafka: { brokers: ['127.0.0.1:1'] }, producer: options });
  const parts = { sender: () => kafka, logger: SILENT_LOGGER };
  const producer = new Producer(config, { metrics: registry }, parts);
  t.teardown(() => producer.close({ timeoutMs: 100 }));
  const value = async (name: string, labels: LabelValues = {}): Promise<number | undefined> =>
    new Scrape(await registry.metrics()).value(name, labels);
  const becomes = (name: string, expected: number, labels: LabelValues = {}): Promise<unknown> =>
    until(() => value(name, labels), {
      what: `${name} to be ${expected}`,
      accept: (found) => found === expected,
      everyMs: 10,
      timeoutMs: 20_000,
    });
  /** Nothing is answered until it is called. */
  const hold = (): (() => void) => {
    let release = (): void => undefined;
    kafka.gate = new Promise((resolve) => (release = resolve));
    return () => {
      kafka.gate = undefined;
      release();
    };
  };
  return { kafka, producer, registry, value, becomes, hold };
}

const code = (send: Promise<unknown>): Promise<string> =>
  send.then(
    () => 'delivered',
    (error: { code: string }) => error.code,
  );

test('what is in the log is counted, with how long it took; what waits for it is gauged', async (t) => {
  const { producer, value, becomes, hold } = setting(t);
  const release = hold();
  const sends = ['a', 'b', 'c'].map((text) => producer.send({ topic: 't', value: text }));
  await becomes('ktb_producer_buffered_records', 3);
  t.true((await value('ktb_producer_buffered_bytes'))! > 3 * 150);
  t.is(await value('kafka_messages_sent_total'), undefined);
  await new Promise((resolve) => setTimeout(resolve, 30));
  release();
  await Promise.all(sends);
  t.is(await value('kafka_messages_sent_total', { topic: 't' }), 3);
  t.is(await value('kafka_send_duration_seconds_count', { topic: 't' }), 3);
  const sum = (await value('kafka_send_duration_seconds_sum', { topic: 't' }))!;
  t.true(sum >= 3 * 0.02 && sum < 60, String(sum));
  t.is(await value('ktb_producer_buffered_records'), 0);
  t.is(await value('ktb_producer_buffered_bytes'), 0);
});

test('drops are counted by their reason', async (t) => {
  const { kafka, producer, value } = setting(t, { buffer: { records: 2 }, mediumWaitMs: 50 });
  await producer.send({ topic: 't', value: 'first' });
  kafka.fault = 'no-leader';
  const low = code(producer.send({ topic: 't', value: 'low', priority: 'low' }));
  const medium = producer.send({ topic: 't', value: 'medium' });
  const refused = code(producer.send({ topic: 't', value: 'refused', priority: 'low' }));
  const high = producer.send({ topic: 't', value: 'high', priority: 'high' });
  const late = code(producer.send({ topic: 't', value: 'late' }));
  t.deepEqual(await Promise.all([low, refused, late]), Array(3).fill('KTB_BACK_PRESSURE'));
  for (const reason of ['old_message_dropped', 'low_priority_drop', 'timeout_drop'])
    t.is(await value('kafka_messages_dropped_total', { topic: 't', reason }), 1, reason);
  kafka.fault = 'none';
  await Promise.all([medium, high]);
  t.is(await value('kafka_messages_sent_total', { topic: 't' }), 3);
  t.true((await value('ktb_producer_retries_total', { topic: 't' }))! >= 1);
});

test('sends that end otherwise are counted by what became of them', async (t) => {
  const { kafka, producer, value } = setting(t, { deliveryTimeoutMs: 2_000, circuit: { failures: 1_000 } });
  kafka.refuses = (text, topic) => (text === 'bad' && topic === 't' ? 'invalid' : undefined);
  t.is(await code(producer.send({ topic: 't', value: 'bad' })), 'KTB_DEAD_LETTERED');
  // It stands in the topic of the dead letters, and is said there.
  t.is(await value('ktb_producer_unsent_total', { topic: 't.dlq', fate: 'dead_letter' }), 1);
  kafka.fault = 'ack-lost';
  t.is(await code(producer.send({ topic: 't', value: 'unknown' })), 'KTB_DELIVERY_UNKNOWN');
  t.is(await value('ktb_producer_unsent_total', { topic: 't', fate: 'unknown' }), 1);
  kafka.fault = 'none';
  await producer.flush();
  kafka.fault = 'no-leader';
  t.is(await code(producer.send({ topic: 't', value: 'late' })), 'KTB_NOT_DELIVERED');
  t.is(await value('ktb_producer_unsent_total', { topic: 't', fate: 'not_delivered' }), 1);
});

test('an outage opens the circuit, and its end closes it; meanwhile records are refused', async (t) => {
  const { kafka, producer, value, becomes } = setting(t, { circuit: { failures: 1, halfOpenAfterMs: 300 } });
  await producer.send({ topic: 't', value: 'before' });
  t.is(await value('ktb_producer_circuit_state'), 0);
  kafka.fault = 'away';
  const waiting = producer.send({ topic: 't', value: 'waiting' });
  await becomes('ktb_producer_circuit_state', 2);
  t.is(await code(producer.send({ topic: 't', value: 'refused' })), 'KTB_CIRCUIT_OPEN');
  t.is(await value('ktb_producer_unsent_total', { topic: 't', fate: 'refused' }), 1);
  kafka.fault = 'none';
  await waiting;
  await becomes('ktb_producer_circuit_state', 0);
});

test('what stands in the spill file is gauged, until it is sent', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'ktb-metrics-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const { kafka, producer, value, becomes } = setting(t, {
    spill: { dir },
    circuit: { failures: 1, halfOpenAfterMs: 300 },
  });
  kafka.fault = 'away';
  t.is(await code(producer.send({ topic: 't', value: 'spilled' })), 'KTB_SPILLED');
  t.is(await value('ktb_producer_unsent_total', { topic: 't', fate: 'spilled' }), 1);
  t.is(await value('ktb_producer_spilled_records'), 1);
  t.true((await value('ktb_producer_spilled_bytes'))! > 150);
  kafka.fault = 'none';
  await becomes('ktb_producer_spilled_records', 0);
  await becomes('kafka_messages_sent_total', 1, { topic: 't' });
});

test('two producers on one registry are counted together, and one that is closed is gauged no longer', async (t) => {
  const registry = new Registry();
  const [first, second] = [setting(t, {}, registry), setting(t, {}, registry)];
  await Promise.all([first, second].map(({ producer }) => producer.send({ topic: 't', value: 'x' })));
  t.is(await first.value('kafka_messages_sent_total', { topic: 't' }), 2);
  const release = [first.hold(), second.hold()];
  const sends = [first, second].map(({ producer }) => producer.send({ topic: 't', value: 'y' }));
  await first.becomes('ktb_producer_buffered_records', 2);
  for (const one of release) one();
  await Promise.all(sends);
  await first.producer.close();
  second.hold();
  void code(second.producer.send({ topic: 't', value: 'z' }));
  await first.becomes('ktb_producer_buffered_records', 1);
});

test('a thousand topics make no thousand series', async (t) => {
  const { kafka, producer, registry } = setting(t);
  for (let index = 0; index < 1_000; index++) kafka.topics.set(`t${index}`, 1);
  const { failed } = await producer.sendAll(
    Array.from({ length: 1_000 }, (_, index) => ({ topic: `t${index}`, value: 'x' })),
  );
  t.is(failed, 0);
  const found = new Scrape(await registry.metrics()).of('kafka_messages_sent_total');
  t.is(found.length, 201);
  t.is(found.find(({ labels }) => labels['topic'] === 'other')!.value, 800);
});
