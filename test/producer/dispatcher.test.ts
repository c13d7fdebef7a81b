import test from 'ava';
import { SpillFile } from '../../bridge/producer/spill-file.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { MemoryDisk } from '../helpers/doubles/memory-disk.js';
import { SenderDouble } from '../helpers/doubles/sender-double.js';
import { endingOf, Harness, SILENT_LOGGER } from './dispatcher-harness.js';

const range = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

async function spillOn(disk = new MemoryDisk()): Promise<SpillFile> {
  const spill = new SpillFile(disk, 1_000_000, SILENT_LOGGER, async () => undefined);
  await spill.recover();
  return spill;
}

test.serial(
  'a record that finds nothing under way leaves at once, and what comes in one turn goes together',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 1 });
    const harness = new Harness(kafka);
    for (const value of range(50)) harness.send(value);
    await turn(10);
    t.deepEqual(kafka.log('t', 0), range(50));
    t.is(kafka.sends, 1);
    t.deepEqual(
      harness.sent.map(({ endings }) => (endings[0] as { offset: string }).offset),
      range(50),
    );
    harness.send('alone');
    await turn(10);
    t.is(kafka.sends, 2);
    await clock.advance(1);
  },
);

test.serial(
  'while something is under way a record waits for others, for the linger time at most',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 2 });
    const harness = new Harness(kafka, { lingerMs: 20 });
    harness.send('first', { partition: 0 });
    let open = (): void => undefined;
    await turn(5);
    kafka.gate = new Promise((resolve) => (open = resolve));
    harness.send('under way', { partition: 0 });
    await turn(5);
    harness.send('a', { partition: 1 });
    await turn(5);
    harness.send('b', { partition: 1 });
    await turn(5);
    t.is(kafka.sends, 2);
    await clock.advance(20);
    t.is(kafka.sends, 3);
    open();
    await turn(5);
    t.deepEqual(kafka.log('t', 1), ['a', 'b']);
  },
);

test.serial('so many bytes wait for nothing more', async (t) => {
  using _clock = fakeClock();
  const kafka = new SenderDouble({ t: 2 });
  const harness = new Harness(kafka, { batchBytes: 1_000 });
  harness.send('first', { partition: 0 });
  await turn(5);
  kafka.gate = new Promise(() => undefined);
  harness.send('under way', { partition: 0 });
  await turn(5);
  for (let index = 0; index < 11; index++) harness.send('x'.repeat(100), { partition: 1 });
  await turn(5);
  t.is(kafka.sends, 3);
});

test.serial('an answer that is not heard doubles nothing, and what comes later waits behind', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  const harness = new Harness(kafka, { circuit: { failures: 100 } });
  kafka.faults.push('ack-lost', 'lost', 'ack-lost');
  for (const value of range(5)) harness.send(value);
  await turn(5);
  for (const value of ['later', 'latest']) harness.send(value);
  await clock.advance(5_000);
  t.deepEqual(kafka.log('t', 0), [...range(5), 'later', 'latest']);
  t.true(harness.sent.every((one) => endingOf(one) === 'delivered'));
  t.deepEqual(kafka.violations, []);
});

test.serial('one record that is refused becomes a dead letter, and its batch goes on in order', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  kafka.refuses = (value, topic) => (topic === 't' && value === '7' ? 'too-large' : undefined);
  const harness = new Harness(kafka);
  for (const value of range(20)) harness.send(value);
  await clock.advance(5_000);
  t.deepEqual(
    kafka.log('t', 0),
    range(20).filter((value) => value !== '7'),
  );
  t.deepEqual(kafka.log('t.dlq', 0), ['7']);
  t.is(endingOf(harness.sent[7]!), 'KTB_DEAD_LETTERED');
});

test.serial(
  'a record larger than the whole buffer: its beginning is a dead letter, the others go on',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 1 });
    const harness = new Harness(kafka, { buffer: { bytes: 50_000 } });
    const large = harness.send('x'.repeat(60_000));
    harness.send('well');
    await clock.advance(2_000);
    t.is(endingOf(large), 'KTB_DEAD_LETTERED');
    t.regex((large.endings[0] as Error).message, /it has 6\d{4} bytes, and the buffer 50000/);
    t.deepEqual(
      kafka.log('t.dlq', 0).map(({ length }) => length),
      [16 * 1024],
    );
    t.deepEqual(kafka.log('t', 0), ['well']);
  },
);

test.serial('a topic that is not there: its records are dead letters, other topics go on', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  const harness = new Harness(kafka);
  harness.send('lost?', { topic: 'nope' });
  harness.send('well');
  await turn(5);
  t.deepEqual(kafka.log('t', 0), ['well']);
  await clock.advance(8_000);
  t.deepEqual(kafka.log('nope.dlq', 0), ['lost?']);
});

test.serial('without a topic of dead letters it is said that the record is nowhere', async (t) => {
  using clock = fakeClock();
  const harness = new Harness(new SenderDouble(), { deadLetterSuffix: false });
  const one = harness.send('x', { topic: 'nope' });
  await clock.advance(8_000);
  t.is(endingOf(one), 'KTB_NOT_DELIVERED');
  t.false(harness.dispatcher.busy);
});

test.serial(
  'the full buffer: HIGH takes the place of the oldest LOW, MEDIUM waits a second, LOW is refused',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 1 });
    kafka.fault = 'no-leader';
    const harness = new Harness(kafka, { buffer: { records: 3 } });
    const [low, lower, medium] = [
      harness.send('low', { priority: 'low' }),
      harness.send('lower', { priority: 'low' }),
      harness.send('medium'),
    ];
    await turn(10);
    t.is(endingOf(harness.send('refused', { priority: 'low' })), 'low_priority_drop');
    harness.send('high', { priority: 'high' });
    t.is(endingOf(low), 'old_message_dropped');
    const waiting = harness.send('waiting');
    await clock.advance(900);
    t.is(endingOf(waiting), 'pending');
    await clock.advance(150);
    t.is(endingOf(waiting), 'timeout_drop');
    const lucky = harness.send('lucky');
    kafka.fault = 'none';
    await clock.advance(3_000);
    t.is(endingOf(lucky), 'delivered');
    t.deepEqual([lower, medium].map(endingOf), ['delivered', 'delivered']);
    t.deepEqual(kafka.log('t', 0), ['lower', 'medium', 'high', 'lucky']);
  },
);

test.serial(
  'the time is over: what never left is nowhere, and what left is unknown and goes on being tried',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 2 });
    const harness = new Harness(kafka, { deliveryTimeoutMs: 3_000, circuit: { failures: 1_000 } });
    kafka.fault = 'ack-lost';
    const left = harness.send('left', { partition: 0 });
    await turn(5);
    kafka.fault = 'no-leader';
    const stayed = harness.send('stayed', { partition: 1 });
    await clock.advance(3_100);
    t.deepEqual([left, stayed].map(endingOf), ['KTB_DELIVERY_UNKNOWN', 'KTB_NOT_DELIVERED']);
    kafka.fault = 'none';
    await clock.advance(3_000);
    t.deepEqual(kafka.all('t'), ['left']);
    t.false(harness.dispatcher.busy);
  },
);

test.serial('Kafka away without a spill file: the circuit opens, and says so to new records', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  const harness = new Harness(kafka, { circuit: { failures: 3, halfOpenAfterMs: 2_000 } });
  harness.send('before');
  await turn(5);
  kafka.fault = 'away';
  const waiting = harness.send('waiting');
  await clock.advance(1_000);
  t.is(endingOf(harness.send('refused')), 'KTB_CIRCUIT_OPEN');
  const { sends } = kafka;
  await clock.advance(500);
  t.is(kafka.sends, sends, 'nothing is sent while it is open');
  kafka.fault = 'none';
  await clock.advance(3_000);
  t.is(endingOf(waiting), 'delivered');
  t.is(endingOf(harness.send('after')), 'pending');
  await turn(10);
  t.deepEqual(kafka.log('t', 0), ['before', 'waiting', 'after']);
});

test.serial(
  'Kafka away with a spill file: everything goes there, and from there in order when it is back',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 2 });
    const spill = await spillOn();
    const harness = new Harness(kafka, { circuit: { failures: 2, halfOpenAfterMs: 1_000 } }, { spill });
    kafka.fault = 'away'; // from the start: the partitions are not known yet
    for (const value of range(4)) harness.send(value, { key: 'k' });
    await clock.advance(500);
    t.true(harness.sent.every((one) => endingOf(one) === 'KTB_SPILLED'));
    harness.send('4', { key: 'k' });
    await clock.advance(600);
    kafka.fault = 'none';
    harness.send('5', { key: 'k' });
    await clock.advance(5_000);
    harness.send('6', { key: 'k' });
    await clock.advance(1_000);
    t.deepEqual(kafka.all('t'), range(7));
    t.is(spill.records, 0);
    t.false(harness.dispatcher.busy);
  },
);

test.serial('what an earlier process left is sent first', async (t) => {
  using clock = fakeClock();
  const disk = new MemoryDisk();
  const away = new SenderDouble({ t: 1 });
  away.fault = 'away';
  const before = new Harness(
    away,
    { circuit: { failures: 1, halfOpenAfterMs: 60_000 } },
    { spill: await spillOn(disk) },
  );
  for (const value of range(3)) before.send(value);
  await clock.advance(200);
  t.true(before.sent.every((one) => endingOf(one) === 'KTB_SPILLED'));
  const kafka = new SenderDouble({ t: 1 });
  const spill = await spillOn(new MemoryDisk(disk.durable));
  const after = new Harness(kafka, {}, { spill });
  after.send('3');
  await clock.advance(1_000);
  t.deepEqual(kafka.log('t', 0), range(4));
  before.circuit.close();
});

test.serial(
  'a leader that moves while it waits for the others may have written: nothing doubles',
  async (t) => {
    using clock = fakeClock();
    const kafka = new SenderDouble({ t: 1 });
    kafka.faults.push('moved', 'moved');
    const harness = new Harness(kafka);
    for (const value of range(3)) harness.send(value);
    await turn(5);
    harness.send('later');
    await clock.advance(2_000);
    t.deepEqual(kafka.log('t', 0), [...range(3), 'later']);
    t.deepEqual(kafka.violations, []);
  },
);

test.serial('a broker that has forgotten the sequence loses nothing', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  kafka.faults.push('forgotten');
  const harness = new Harness(kafka);
  for (const value of range(3)) harness.send(value);
  await clock.advance(1_000);
  t.deepEqual(kafka.log('t', 0), range(3));
  t.true(harness.sent.every((one) => endingOf(one) === 'delivered'));
});

test.serial('a partition that is not there is said after a while', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  const harness = new Harness(kafka);
  const one = harness.send('x', { partition: 9 });
  await clock.advance(10_000);
  t.is(endingOf(one), 'KTB_DEAD_LETTERED');
});

test.serial('closed while Kafka is away: what left is unknown, the rest nowhere', async (t) => {
  using clock = fakeClock();
  const kafka = new SenderDouble({ t: 1 });
  const harness = new Harness(kafka, { circuit: { failures: 100 } });
  kafka.fault = 'lost';
  const left = harness.send('left');
  await turn(10);
  const stayed = harness.send('stayed');
  await clock.advance(500);
  harness.dispatcher.end('closed');
  t.deepEqual([left, stayed].map(endingOf), ['KTB_DELIVERY_UNKNOWN', 'KTB_NOT_DELIVERED']);
});
