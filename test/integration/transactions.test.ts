/** Records of one transaction on a real Kafka: who reads committed records only sees all of them or none. */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { producerOf } from '../../bridge/config/resolve-producer.js';
import type { SendError } from '../../bridge/index.js';
import { createLogger } from '../../bridge/observe/logger.js';
import { TransactionEncoder } from '../../bridge/producer/transaction-encoder.js';
import { Transactions } from '../../bridge/producer/transactions.js';
import { startProcess } from '../faults/process.js';
import { kafkaExchange } from '../faults/wire.js';
import { createTopic, readAll } from '../helpers/kafka.js';
import { proxiedBroker } from '../helpers/proxied-broker.js';
import { testStack, unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const DYING = fileURLToPath(new URL('../helpers/dying-transaction.ts', import.meta.url));
const PRODUCE = 0;
const END_TXN = 26;
const producer = producerOf({}, '/');
const encoder = new TransactionEncoder(producer);

function transactions(
  t: ExecutionContext,
  brokers: readonly string[],
  transactionalId: string = randomUUID(),
) {
  const kafka = { brokers, clientId: 'test', ssl: undefined, sasl: undefined };
  const made = new Transactions({
    kafka,
    producer,
    logger: createLogger({ name: 'test', level: 'silent' }),
    transactionalId,
  });
  t.teardown(() => made.close());
  return made;
}

const records = (topic: string, set: string, count = 3) =>
  Promise.all(Array.from({ length: count }, (_, n) => encoder.encode(topic, `${set}-${n}`, { set, n }, {})));

/** How often each set is there, and whether one is torn. */
async function setsIn(brokers: readonly string[], topic: string, count = 3) {
  const seen = new Map<string, number>();
  for (const { value } of await readAll(brokers, topic)) {
    const { set } = JSON.parse(String(value)) as { set: string };
    seen.set(set, (seen.get(set) ?? 0) + 1);
  }
  return {
    torn: [...seen].filter(([, records]) => records % count !== 0),
    times: new Map([...seen].map(([set, records]) => [set, records / count])),
  };
}

test('transactions one after another are all there, each record where it was said to be', async (t) => {
  t.timeout(120_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('transactions'), { partitions: 3 });
  const ours = transactions(t, brokers);
  const sets = Array.from({ length: 30 }, (_, index) => `s${index}`);
  const places = await Promise.all(sets.map(async (set) => ours.send(await records(topic, set))));
  const read = await readAll(brokers, topic);
  t.is(read.length, 90);
  for (const [index, set] of places.entries()) {
    for (const [n, { partition, offset }] of set.entries()) {
      const found = read.find((one) => one.partition === partition && String(one.offset) === offset);
      t.deepEqual(JSON.parse(String(found?.value)), { set: `s${index}`, n });
    }
  }
});

test('one record that Kafka refuses: nothing of its transaction is seen, and the next one is', async (t) => {
  t.timeout(120_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('transactions'), { partitions: 3 });
  const ours = transactions(t, brokers);
  const large = await encoder.encode(topic, 'large', 'x'.repeat(1_500_000), {});
  await t.throwsAsync(ours.send([...(await records(topic, 'refused')), large]), {
    code: 'KTB_KAFKA',
    message: /MESSAGE_TOO_LARGE/,
  });
  await t.throwsAsync(ours.send(await records(unique('missing'), 'refused')), {
    code: 'KTB_KAFKA',
    message: /UNKNOWN_TOPIC_OR_PARTITION/,
  });
  await ours.send(await records(topic, 'good'));
  t.deepEqual([...(await setsIn(brokers, topic)).times], [['good', 1]]);
});

test('another process with the same ID shuts this one out: it loses nothing, and begins anew', async (t) => {
  t.timeout(120_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('transactions'), { partitions: 3 });
  const id = unique('same');
  const [one, other] = [transactions(t, brokers, id), transactions(t, brokers, id)];
  await one.send(await records(topic, 'first'));
  await other.send(await records(topic, 'second'));
  const error = await t.throwsAsync<SendError>(one.send(await records(topic, 'shut out')));
  t.like(error, { code: 'KTB_NOT_DELIVERED', retryable: true });
  await one.send(await records(topic, 'again'));
  const { times, torn } = await setsIn(brokers, topic);
  t.deepEqual(torn, []);
  t.deepEqual([...times.keys()].sort(), ['again', 'first', 'second']);
});

test('a process that is killed within a transaction: nothing of it is seen, and who comes after it is', async (t) => {
  t.timeout(180_000);
  const { brokers } = (await testStack()).kafka;
  const topic = await createTopic(brokers, unique('transactions'), { partitions: 1 });
  await using dying = startProcess({
    name: 'dying',
    command: process.execPath,
    args: ['--import', import.meta.resolve('tsx'), DYING, brokers.join(','), topic],
  });
  await dying.waitForOutput('written, not committed');
  await dying.kill();
  await transactions(t, brokers).send(await records(topic, 'after'));
  // Behind the broker's time-out, and its next look.
  const { times, torn } = await until(() => setsIn(brokers, topic), {
    what: 'the transaction to be aborted',
    timeoutMs: 90_000,
    everyMs: 2_000,
    accept: ({ times: seen }) => seen.has('after'),
  });
  t.deepEqual(torn, []);
  t.deepEqual([...times.keys()], ['after']);
  const all = await readAll(brokers, topic, { readUncommitted: true });
  t.is(all.length, 6, 'it had been written');
});

test('answers cut at writing and at committing: no set is ever torn, and what is said to be committed is there', async (t) => {
  t.timeout(300_000);
  await using own = await proxiedBroker();
  const { brokers, proxy } = own;
  const topic = await createTopic(brokers, unique('transactions'), { partitions: 3 });
  const ours = transactions(t, [proxy.address]);
  await ours.send(await records(topic, 'before'));
  const committed = ['before'];
  const endings = new Map<string, number>();
  for (let round = 0; round < 20; round++) {
    const set = `s${round}`;
    const cut = round % 2 === 0 ? PRODUCE : END_TXN;
    proxy.cutAfterForwarding({ exchange: () => kafkaExchange(cut) });
    const ending = await ours.send(await records(topic, set)).then(
      () => 'committed',
      ({ code }: SendError) => code,
    );
    const how = `${cut === PRODUCE ? 'write' : 'commit'} cut: ${ending}`;
    endings.set(how, (endings.get(how) ?? 0) + 1);
    if (ending === 'committed') committed.push(set);
    proxy.pass();
  }
  t.deepEqual(Object.fromEntries(endings), {
    'write cut: KTB_NOT_DELIVERED': 10,
    // It is asked again what became of it.
    'commit cut: committed': 10,
  });
  const { torn, times } = await setsIn(brokers, topic);
  t.deepEqual(torn, []);
  for (const set of committed) t.is(times.get(set), 1, set);
  t.true([...times.values()].every((count) => count === 1));
  t.is(proxy.counters.lostReplies, 20);
});
