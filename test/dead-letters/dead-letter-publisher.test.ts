import test from 'ava';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { until } from '../helpers/until.js';
import { headersOf, publishing } from './publishing.js';

const record = (offset: bigint, value: string | null, headers: Record<string, string> = {}) => ({
  topic: 'orders',
  partition: 0,
  offset,
  timestampMs: 1,
  key: Buffer.from([0xff]),
  value: value === null ? null : Buffer.from(value),
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, given]) => [name, Buffer.from(given)] as const),
  ),
  sizeBytes: 0,
});

test('a dead letter is the record as Kafka has it, with why, where, and a link', async (t) => {
  const { it, lookup, producer, look, counts } = publishing();
  lookup.records.push(
    record(7n, '{"a": 1}', { 'idempotency-key': 'a', tenant: 'acme', 'error-message': 'old' }),
  );
  const runId = it.record('a', { offset: 7 });
  await look();
  const [sent] = producer.sent;
  t.deepEqual(
    [sent!.topic, sent!.key, sent!.value?.toString()],
    ['orders.dlq', Buffer.from([0xff]), '{"a": 1}'],
  );
  const { 'error-timestamp': at, ...headers } = headersOf(sent!);
  t.deepEqual(headers, {
    tenant: 'acme',
    'original-idempotency-key': 'a',
    'idempotency-key': `dead-letter/${runId}`,
    'original-topic': 'orders',
    'original-partition': '0',
    'original-offset': '7',
    'original-from': 'kafka',
    'error-type': 'NotMended',
    'error-message': 'the cause of a is not mended',
    'workflow-id': 'a',
    'run-id': runId,
    'workflow-status': 'failed',
    link: `http://ui.test/namespaces/default/workflows/a/${runId}/history`,
  });
  t.is(at, String(it.operator.current('a').closedAt));
  t.deepEqual(counts, { 'published placed': 1 });
});

test('without `uiUrl` there is no link', async (t) => {
  const { it, producer, look } = publishing({ config: { uiUrl: undefined as never } });
  it.record('a');
  await look();
  t.false('link' in headersOf(producer.sent[0]!));
});

test('of a record that Kafka has no more the event is published, and its headers and key, and it says so', async (t) => {
  const { it, producer, look } = publishing();
  const info = {
    topic: 'orders',
    partition: 0,
    offset: '3',
    key: '~hex:ff00',
    headers: { tenant: 'acme', tags: ['a', '~hex:00'] },
  };
  it.record('a', { offset: 3, args: [{ total: 5 }, info] });
  it.record('deleted', { offset: 3, args: [null, info] });
  it.record('another', { offset: 4, args: ['state of its own'] });
  await look();
  const by = (id: string) => producer.sent.find((one) => headersOf(one)['workflow-id'] === id)!;
  t.is(by('a').value?.toString(), '{"total":5}');
  t.deepEqual(by('a').key, Buffer.from([0xff, 0]));
  t.like(headersOf(by('a')), { 'original-from': 'input', tenant: 'acme', tags: 'a,\0' });
  t.is(by('deleted').value, null);
  t.is(headersOf(by('deleted'))['original-from'], 'input');
  t.is(by('another').value, null);
  t.is(headersOf(by('another'))['original-from'], 'none');
});

test('a quarantined record is published with its bytes, as quarantined', async (t) => {
  const { it, producer, look } = publishing();
  it.quarantined(5);
  await look();
  t.is(producer.sent[0]!.value?.toString(), '{');
  t.like(headersOf(producer.sent[0]!), {
    'workflow-status': 'quarantined',
    'original-from': 'input',
    'error-message': 'it is not JSON',
  });
});

test('what was replayed before it could be published is not, and a run that fails again is', async (t) => {
  const { it, producer, look } = publishing();
  const first = it.record('a');
  const second = await it.operator.reset({
    workflowId: 'a',
    runId: first,
    eventId: 4,
    reason: 'r',
    requestId: 'r',
    reapply: 'all',
  });
  await until(() => it.operator.current('a').status === 'failed', { what: 'it to fail again' });
  await look();
  t.deepEqual(
    producer.sent.map((one) => headersOf(one)['run-id']),
    [second],
  );
});

test('a record that is too large for its topic is cut, and says how large it was', async (t) => {
  const { it, lookup, producer, look } = publishing();
  lookup.records.push(record(7n, 'x'.repeat(100_000), { tenant: 'y'.repeat(50_000) }));
  producer.tooLargeFrom = 100_000;
  it.record('a', { offset: 7 });
  await look();
  t.is(producer.sent[0]!.value?.length, 16_384);
  const headers = headersOf(producer.sent[0]!);
  t.is(headers['tenant']!.length, 16_384);
  t.like(headers, { 'original-size': '100000', 'workflow-id': 'a', 'original-from': 'kafka' });
  t.is(headers['original-sha256']!.length, 64);
  producer.tooLargeFrom = 10_000;
  it.record('b', { offset: 7 });
  await look();
  t.is(producer.sent[1]!.value?.length, 64);
  t.like(headersOf(producer.sent[1]!), { 'original-size': '100000', 'workflow-id': 'b' });
});

test('a topic that takes nothing is an alert, a count and a line of the log; the bridge goes on, and tries again', async (t) => {
  const { it, producer, look, alerts, counts, log } = publishing();
  producer.refuses = 'there is no such topic';
  const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
  for (const key of keys) it.record(key);
  await look();
  t.deepEqual([counts, alerts.length], [{ 'failed placed': 1 }, 0], 'it may pass');
  await look();
  t.deepEqual(counts, { 'failed placed': 2 });
  t.is(alerts.length, 1);
  t.like(alerts[0]!, { kind: 'deadLetterTopic', scope: { route: 'placed' } });
  t.regex(
    String(alerts[0]!.message),
    /^Dead letters of route `placed` can't be published to orders\.dlq: .*no such topic/,
  );
  t.is(log.text.match(/"level":40/g)?.length, 2);
  producer.refuses = undefined;
  await look();
  t.is(new Set(producer.sent.map((one) => headersOf(one)['workflow-id'])).size, keys.length);
  t.is(producer.sent.length, keys.length);
});

test('a topic is made before there is a dead letter, and once; after a send that failed it is looked for again', async (t) => {
  const { it, producer, look, lookup } = publishing();
  await look();
  await look();
  t.deepEqual(lookup.made, ['orders.dlq']);
  producer.refuses = 'there is no such topic';
  it.record('a');
  await look();
  await look();
  t.true(lookup.made.length > 1);
});

test('one bridge of the group publishes: the owner of the first partition', async (t) => {
  const { it, producer, look, own } = publishing();
  own([{ topic: 'orders', partition: 1 }]);
  it.record('a');
  await look();
  own([]);
  await look();
  t.is(producer.sent.length, 0);
  own([{ topic: 'orders', partition: 0 }]);
  await look();
  t.is(producer.sent.length, 1);
});

test('while Kafka or Temporal is away nothing is forgotten, and nothing ends the bridge', async (t) => {
  const { it, producer, lookup, cursor, publisher, alerts } = publishing();
  it.record('a');
  cursor.failures = 2;
  it.operator.fail('list', { times: 2 });
  it.operator.fail('inspect', { times: 2 });
  lookup.away = true;
  const stop = new AbortController();
  const running = publisher.run(stop.signal);
  await until(() => alerts.length > 0, { what: 'the alert' });
  t.is(producer.sent.length, 0);
  lookup.away = false;
  await until(() => producer.sent.length > 0, { what: 'it to be published' });
  stop.abort();
  await running;
  t.is(producer.sent.length, 1);
});

test('a failure that this bridge can not read is published as that', async (t) => {
  const { it, producer, look } = publishing();
  it.record('a');
  it.operator.fail('closing', {
    fault: () => new TemporalFault('rejected', 'unknown encoding'),
    times: Infinity,
  });
  await look();
  t.regex(headersOf(producer.sent[0]!)['error-message']!, /^its failure can't be read: unknown encoding/);
});

test('its end closes what it has', async (t) => {
  const { publisher, lookup, producer } = publishing();
  await publisher.close(100);
  t.deepEqual([lookup.closed, producer.closed], [true, true]);
});
