/** What kafkajs's own producer loses and doubles, and ours does not (shared facts: three ways). */
import test, { type ExecutionContext } from 'ava';
import { createProducer } from '../../bridge/index.js';
import { producerAway } from '../faults/scenarios/producer-away.js';
import { isTrue } from '../faults/send-ledger.js';
import { kafkaExchange } from '../faults/wire.js';
import { createTopic, kafkaClient, readAll } from '../helpers/kafka.js';
import { proxiedBroker, type ProxiedBroker } from '../helpers/proxied-broker.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const PRODUCE = 0;

async function ownBroker(t: ExecutionContext): Promise<ProxiedBroker> {
  t.timeout(300_000);
  const own = await proxiedBroker();
  t.teardown(() => own[Symbol.asyncDispose]());
  return own;
}

/** How many of those that were acknowledged are not in the log, and how many stand there more than once. */
async function verdict(
  brokers: readonly string[],
  topic: string,
  acknowledged: readonly string[],
): Promise<{ readonly lost: number; readonly doubled: number; readonly total: number }> {
  const found = new Map<string, number>();
  for (const { value } of await readAll(brokers, topic))
    found.set(String(value), (found.get(String(value)) ?? 0) + 1);
  return {
    lost: acknowledged.filter((value) => !found.has(value)).length,
    doubled: [...found.values()].filter((count) => count > 1).length,
    total: found.size,
  };
}

test.serial(
  'an acknowledgement cut, with callers side by side: kafkajs loses or doubles, ours does neither',
  async (t) => {
    const { brokers, proxy } = await ownBroker(t);
    const plainTopic = await createTopic(brokers, unique('cut-plain'));
    const plain = kafkaClient([proxy.address], { requestTimeout: 5_000 }).producer({
      idempotent: true,
      maxInFlightRequests: 5,
    });
    await plain.connect();
    await plain.send({ topic: plainTopic, messages: [{ value: 'first' }] });
    const acknowledged: string[] = ['first'];
    for (let round = 0; round < 5; round++) {
      proxy.cutAfterForwarding({ exchange: () => kafkaExchange(PRODUCE) });
      await Promise.all(
        [0, 1, 2].map(async (index) => {
          const value = `${round}-${index}`;
          await plain.send({ topic: plainTopic, messages: [{ value }] });
          acknowledged.push(value);
        }),
      ).catch(() => undefined);
    }
    proxy.pass();
    await plain.disconnect();
    const theirs = await verdict(brokers, plainTopic, acknowledged);
    t.log(`kafkajs: ${theirs.lost} lost, ${theirs.doubled} doubled of ${acknowledged.length}`);
    t.true(theirs.lost + theirs.doubled > 0, 'kafkajs no longer loses: then so much of ours is not needed');

    const topic = await createTopic(brokers, unique('cut-ours'), { partitions: 3 });
    const producer = createProducer({ kafka: { brokers: [proxy.address] } });
    t.teardown(() => producer.close());
    const ours: string[] = [];
    for (let round = 0; round < 20; round++) {
      proxy.cutAfterForwarding({ exchange: () => kafkaExchange(PRODUCE) });
      await Promise.all(
        Array.from({ length: 30 }, async (_, index) => {
          const value = `${round}-${index}`;
          await producer.send({ topic, value });
          ours.push(value);
        }),
      );
    }
    t.is(proxy.counters.lostReplies, 25);
    t.is(ours.length, 600);
    t.deepEqual(await verdict(brokers, topic, ours), { lost: 0, doubled: 0, total: 600 });
  },
);

test.serial(
  'a broker that stands still for 25 seconds: ours loses and doubles nothing, and stays in order',
  async (t) => {
    const {
      brokers,
      broker: { server },
    } = await ownBroker(t);
    const [plainTopic, topic] = await Promise.all([
      createTopic(brokers, unique('still-plain'), { partitions: 4 }),
      createTopic(brokers, unique('still-ours'), { partitions: 4 }),
    ]);
    const plain = kafkaClient(brokers, { requestTimeout: 4_000 }).producer({ idempotent: true });
    // Each request times out several times over: every repetition must be known as one.
    const producer = createProducer({
      kafka: { brokers },
      producer: { requestTimeoutMs: 4_000, buffer: { records: 5_000 }, circuit: { failures: 1_000 } },
    });
    t.teardown(() => producer.close());
    await plain.connect();
    const stop = new AbortController();
    const load = async (
      send: (value: string) => Promise<unknown>,
      acknowledged: string[] = [],
    ): Promise<string[]> => {
      const sends: Promise<void>[] = [];
      for (let index = 0; !stop.signal.aborted; index++) {
        const value = String(index);
        sends.push(send(value).then(() => void acknowledged.push(value)));
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
      await Promise.allSettled(sends);
      return acknowledged;
    };
    const theirs = load((value) => plain.send({ topic: plainTopic, messages: [{ value }] }));
    const soFar: string[] = [];
    const ours = load((value) => producer.send({ topic, key: String(Number(value) % 11), value }), soFar);
    const acknowledging = (count: number) =>
      until(() => soFar.length, {
        what: `${count} records to be acknowledged`,
        accept: (seen) => seen >= count,
      });
    await acknowledging(50);
    server.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 25_000));
    const before = soFar.length;
    server.signal('SIGCONT');
    await acknowledging(before + 100);
    stop.abort();
    const acknowledged = await ours;
    t.true(acknowledged.length > 500);
    t.deepEqual(await verdict(brokers, topic, acknowledged), {
      lost: 0,
      doubled: 0,
      total: acknowledged.length,
    });
    const last = new Map<string, number>();
    for (const { key, value } of await readAll(brokers, topic)) {
      t.true((last.get(String(key)) ?? -1) < Number(value));
      last.set(String(key), Number(value));
    }
    const plainAcknowledged = await theirs;
    await plain.disconnect();
    const { lost, doubled } = await verdict(brokers, plainTopic, plainAcknowledged);
    t.log(`kafkajs: ${lost} lost, ${doubled} doubled of ${plainAcknowledged.length}`);
  },
);

test.serial(
  'a broker that is killed and away for 20 seconds: all that was not refused by name arrives once and in order, in bounded memory',
  async (t) => {
    t.timeout(300_000);
    const report = await producerAway({ forMs: 20_000, perSecond: 300, timeoutMs: 120_000 });
    t.log(JSON.stringify(report));
    t.true(isTrue(report));
    t.true((report.endings['KTB_SPILLED'] ?? 0) > 1_000);
    // The buffer, and as many that are read back from the file.
    t.true(report.mostBuffered <= 2_000);
    t.true(report.growthMb <= 150);
  },
);
