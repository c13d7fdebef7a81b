import test from 'ava';
import { LateBatchDelivery } from '../helpers/doubles/late-batch-delivery.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { turn } from '../helpers/doubles/clock.js';
import { intakeOf, ManualDelivery, P0, P1 } from './intake-doubles.js';

test('records go to the delivery in the order of the log, and the position follows what is done', async (t) => {
  const delivery = new ManualDelivery();
  const { source, intake, state, poll, events } = intakeOf({ delivery });
  source.produce(P0, 3);
  source.assign([P0]);
  await poll();
  t.deepEqual(delivery.offsets, [0n, 1n, 2n]);
  t.is(state()?.committable, 0n);
  delivery.settle(delivery.ofOffset(1n));
  t.is(state()?.committable, 0n);
  delivery.settle(delivery.ofOffset(0n));
  t.deepEqual(intake.commitEntries(), [{ ...P0, position: 2n }]);
  delivery.settle(delivery.ofOffset(2n));
  t.deepEqual(intake.commitEntries(), [{ ...P0, position: 3n }]);
  t.deepEqual(events.settled, [1n, 0n, 2n]);
  t.deepEqual(intake.buffered, { records: 0, bytes: 0 });
});

test("a delivery that settles later is committed when it has settled, one of 'accepted' when it is accepted", async (t) => {
  const port = new TemporalDouble();
  const late = new LateBatchDelivery(port);
  const settled = intakeOf({ delivery: late });
  settled.source.produce(P0, 2);
  settled.source.assign([P0]);
  await settled.poll();
  await turn(3);
  t.is(late.settling.length, 2);
  t.is(settled.state()?.committable, 0n);
  late.settleOnly(({ source }) => source.offset === 1n);
  t.is(settled.state()?.committable, 0n);
  late.settle();
  t.is(settled.state()?.committable, 2n);

  const delivery = new ManualDelivery('accepted');
  const accepted = intakeOf({ delivery });
  accepted.source.produce(P0, 1);
  accepted.source.assign([P0]);
  await accepted.poll();
  const [held] = delivery.held;
  held!.observer.accepted(held!.record);
  t.is(accepted.state()?.committable, 1n);
  t.is(accepted.intake.buffered.records, 1, 'it still weighs');
});

test('markers at the end of the log are passed, so that the position reaches it', async (t) => {
  const delivery = new ManualDelivery();
  const { source, state, poll } = intakeOf({ delivery });
  source.produce(P0, 2);
  source.skip(P0, 1);
  source.assign([P0]);
  await poll();
  while (delivery.held.length > 0) delivery.settle();
  t.is(state()?.committable, 3n);
  source.skip(P0, 2);
  await poll();
  t.is(state()?.committable, 5n);
});

test('the budget holds whatever the backlog, and all of it goes through', async (t) => {
  const delivery = new ManualDelivery();
  const { source, intake, state, poll } = intakeOf({ delivery, limits: { records: 10 } });
  source.produce(P0, 100);
  source.assign([P0]);
  let polls = 0;
  while (state()?.committable !== 100n && polls++ < 200) {
    await poll();
    t.true(intake.buffered.records <= 10);
    t.is(source.isPaused(P0), intake.buffered.records >= 10);
    while (delivery.held.length > 0) delivery.settle();
    await turn();
  }
  t.deepEqual(
    delivery.offsets,
    Array.from({ length: 100 }, (_, offset) => BigInt(offset)),
  );
});

test('bytes count: large records pass one at a time', async (t) => {
  const delivery = new ManualDelivery();
  const { source, intake, poll } = intakeOf({ delivery, limits: { bytes: 100 } });
  source.produce(P0, 3, { value: Buffer.alloc(80), sizeBytes: 80 });
  source.assign([P0]);
  for (let round = 1; round <= 3; round++) {
    await poll();
    t.is(delivery.handed.length, round);
    t.is(intake.buffered.bytes, 80);
    delivery.settle();
  }
});

test('a partition over its share pauses alone, and goes on at half of it', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll } = intakeOf({ delivery, limits: { records: 20 } });
  source.produce(P0, 50);
  source.produce(P1, 3);
  source.assign([P0, P1]);
  await poll();
  t.true(source.isPaused(P0));
  t.false(source.isPaused(P1));
  t.is(delivery.handed.filter(({ source: { partition } }) => partition === 0).length, 10);
  t.is(delivery.handed.filter(({ source: { partition } }) => partition === 1).length, 3);
  const ofP0 = () => delivery.held.find(({ record }) => record.source.partition === 0);
  for (let index = 0; index < 4; index++) delivery.settle(ofP0());
  t.true(source.isPaused(P0));
  delivery.settle(ofP0());
  t.false(source.isPaused(P0));
  await poll();
  t.is(delivery.handed.length, 18);
});

test('so many are taken of a partition at a time, and the rest is fetched again', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll } = intakeOf({ delivery, options: { maxPollRecords: () => 5 } });
  source.produce(P0, 12);
  source.assign([P0]);
  t.deepEqual([await poll(), await poll(), await poll(), await poll()], [5, 5, 2, 0]);
  t.is(delivery.handed.length, 12);
});

test('a record that comes again is seen, and handed over once', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll, intake } = intakeOf({ delivery });
  const [first] = source.produce(P0, 3);
  source.assign([P0]);
  await poll();
  t.is(intake.offer(first!, 3n), 'seen');
  source.rewind(P0, 0n);
  t.is(await poll(), 3);
  t.is(delivery.handed.length, 3);
  t.is(intake.buffered.records, 3);
});

test('a record that was given back waits at its place, and is handed over again', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll, state } = intakeOf({ delivery });
  source.produce(P0, 2);
  source.assign([P0]);
  await poll();
  delivery.giveBack(delivery.ofOffset(0n));
  await turn(3);
  t.deepEqual(delivery.offsets, [0n, 1n, 0n]);
  delivery.settle(delivery.ofOffset(1n));
  t.is(state()?.committable, 0n);
  delivery.settle(delivery.ofOffset(0n));
  t.is(state()?.committable, 2n);
});

test('a partition that stays ours goes on where it was, and what runs of it counts', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll, state, events } = intakeOf({ delivery });
  source.produce(P0, 3);
  source.assign([P0]);
  await poll();
  source.produce(P0, 2);
  source.rewind(P0, 0n); // kafkajs goes back to the committed offset
  source.assign([P0, P1]);
  t.is(source.positionOf(P0), 3n);
  await poll();
  t.deepEqual(delivery.offsets, [0n, 1n, 2n, 3n, 4n]);
  while (delivery.held.length > 0) delivery.settle();
  t.is(state()?.committable, 5n);
  t.deepEqual(events.assigned, [
    [1, 0],
    [1, 0],
  ]);
});

test('what completes of a lost partition changes nothing, and its weight is gone', async (t) => {
  const delivery = new ManualDelivery();
  delivery.atAbort = () => undefined; // a zombie's start goes on
  const { source, poll, intake, events, state } = intakeOf({ delivery });
  source.produce(P0, 3);
  source.assign([P0, P1]);
  await poll();
  source.assign([P1]);
  t.is(state(), undefined);
  t.deepEqual(intake.buffered, { records: 0, bytes: 0 });
  while (delivery.held.length > 0) delivery.settle();
  t.deepEqual(events.settled, []);
  t.deepEqual(intake.buffered, { records: 0, bytes: 0 });
  t.deepEqual(events.assigned.at(-1), [0, 1]);
});

test('after a rejoin nothing known holds: it is read again from the commit, and old completions are ignored', async (t) => {
  const delivery = new ManualDelivery();
  delivery.atAbort = () => undefined;
  const { source, poll, intake, events, state } = intakeOf({ delivery });
  source.produce(P0, 3);
  source.setCommitted(P0, 1n);
  source.assign([P0]);
  await poll();
  const old = [...delivery.held];
  source.assign([P0], true);
  t.is(source.positionOf(P0), 1n);
  t.is(state()?.incomplete, 0);
  await poll();
  t.deepEqual(delivery.offsets, [1n, 2n, 1n, 2n]);
  for (const held of old) delivery.settle(held);
  t.is(state()?.committable, 1n, 'the old ones are not the new ones');
  t.deepEqual(events.settled, []);
  t.is(intake.buffered.records, 2);
  while (delivery.held.length > 0) delivery.settle();
  t.is(state()?.committable, 3n);
  t.deepEqual(intake.buffered, { records: 0, bytes: 0 });
});

test('a commit of before the rejoin says nothing of after it', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll, intake, state } = intakeOf({ delivery });
  source.produce(P0, 2);
  source.assign([P0]);
  await poll();
  while (delivery.held.length > 0) delivery.settle();
  const { epoch } = intake;
  const entries = intake.commitEntries();
  source.setCommitted(P0, 0n);
  source.assign([P0], true);
  intake.committed(entries, epoch);
  t.is(state()?.committed, 0n);
  intake.committed(entries, intake.epoch);
  t.is(state()?.committed, 2n);
});

test('a confirmed commit is not asked for again', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll, intake } = intakeOf({ delivery });
  source.produce(P0, 1);
  source.assign([P0]);
  await poll();
  delivery.settle();
  const entries = intake.commitEntries();
  t.is(entries.length, 1);
  intake.committed(entries, intake.epoch);
  t.deepEqual(intake.commitEntries(), []);
});

test('a drain takes nothing more, waits for what runs, and leaves what waits not done', async (t) => {
  const delivery = new ManualDelivery();
  delivery.atAbort = () => undefined;
  const { source, poll, intake, state, holds } = intakeOf({ delivery });
  source.produce(P0, 5);
  source.assign([P0]);
  await poll(2);
  holds.hold({
    scope: { topic: 'orders', routeId: 'placed' },
    reason: 'operator',
    message: 'held',
    since: 0,
  });
  await poll();
  t.is(delivery.handed.length, 2);
  let drained = false;
  const draining = intake.drain().then(() => (drained = true));
  await turn(3);
  t.false(drained);
  t.true(source.isPaused(P0));
  source.produce(P0, 5);
  source.resume([P0]);
  t.is(await poll(), 0);
  delivery.settle();
  await turn();
  t.false(drained);
  delivery.settle();
  await draining;
  t.is(state()?.committable, 2n, 'what waits stays');
  t.deepEqual(intake.commitEntries(), [{ ...P0, position: 2n }]);
  t.true(source.isPaused(P0) || source.poll() === 0);
});

test('a drain gives back what is not accepted, and then it is not done', async (t) => {
  const delivery = new ManualDelivery();
  const { source, poll, intake, state } = intakeOf({ delivery });
  source.produce(P0, 3);
  source.assign([P0]);
  await poll();
  delivery.settle();
  await intake.drain();
  await turn(3);
  t.is(delivery.handed.length, 3, 'nothing is handed over again');
  t.is(state()?.committable, 1n);
});

test('a drain of nothing ends at once', async (t) => {
  const { intake } = intakeOf();
  await intake.drain();
  t.pass();
});

test('a new group begins at the beginning, or at the end, and says so', async (t) => {
  for (const [startFrom, position] of [
    ['beginning', 2n],
    ['end', 5n],
  ] as const) {
    const { source, events, state } = intakeOf({ options: { startFrom } });
    source.produce(P0, 5);
    source.trim(P0, 2n);
    source.assign([P0]);
    t.is(source.positionOf(P0), position);
    t.deepEqual(events.newGroups, [['orders/0', position]]);
    t.deepEqual(events.lost, []);
    t.is(state()?.committable, position, 'so that the next one begins there too');
  }
});

test('a range that retention took is said, and gone on behind', async (t) => {
  const delivery = new ManualDelivery();
  const { source, events, intake, poll } = intakeOf({ delivery });
  source.produce(P0, 10);
  source.setCommitted(P0, 3n);
  source.trim(P0, 7n);
  source.assign([P0]);
  t.deepEqual(events.lost, [{ ...P0, from: 3n, to: 7n }]);
  t.deepEqual(intake.commitEntries(), [{ ...P0, position: 7n }]);
  await poll();
  t.deepEqual(delivery.offsets, [7n, 8n, 9n]);
  t.deepEqual(events.stopped, []);
});

test("with onLostRange 'hold' nothing is read or committed behind it", async (t) => {
  const delivery = new ManualDelivery();
  const { source, events, intake, poll } = intakeOf({ delivery, options: { onLostRange: 'hold' } });
  source.produce(P0, 10);
  source.setCommitted(P0, 3n);
  source.trim(P0, 7n);
  source.assign([P0]);
  t.deepEqual(events.lost, [{ ...P0, from: 3n, to: 7n }]);
  t.is(events.stopped.length, 1);
  t.regex(events.stopped[0]![1], /4 offsets of orders\/0 were lost .*: 3 to 6 are gone.*onLostRange/);
  t.deepEqual(intake.commitEntries(), []);
  t.is(await poll(), 0);
  t.true(source.isPaused(P0));
});

test('a commit beyond the end of the log is of another log: nothing is read or committed', async (t) => {
  const delivery = new ManualDelivery();
  const { source, events, intake, poll } = intakeOf({ delivery });
  source.produce(P0, 5);
  source.produce(P1, 5);
  source.setCommitted(P0, 9n);
  source.assign([P0, P1]);
  await poll();
  t.is(events.stopped.length, 1);
  t.regex(events.stopped[0]![1], /orders\/0 ends at offset 5, and the group has committed 9/);
  t.deepEqual(new Set(delivery.handed.map(({ source: { partition } }) => partition)), new Set([1]));
  while (delivery.held.length > 0) delivery.settle();
  t.deepEqual(
    intake.commitEntries().map(({ partition }) => partition),
    [1],
  );
});

test('a commit at the very end of the log is the place to wait at', (t) => {
  const { source, events } = intakeOf();
  source.produce(P0, 5);
  source.setCommitted(P0, 5n);
  source.assign([P0]);
  t.is(source.positionOf(P0), 5n);
  t.deepEqual(events.stopped, []);
});

test('a topic made anew under way stops its partition, and nothing more of it is committed', async (t) => {
  const delivery = new ManualDelivery();
  const { source, events, intake, poll, state } = intakeOf({ delivery });
  source.produce(P0, 5);
  source.assign([P0]);
  await poll();
  source.remake(P0);
  source.produce(P0, 3, { timestampMs: 99 });
  source.rewind(P0, 0n);
  await poll();
  t.is(events.stopped.length, 1);
  t.regex(events.stopped[0]![1], /went backwards/);
  while (delivery.held.length > 0) delivery.settle();
  t.deepEqual(intake.commitEntries(), []);
  t.is(delivery.handed.length, 5);
  t.truthy(state()?.stopped);
  source.resume([P0]);
  t.is(await poll(), 0);
  t.true(source.isPaused(P0));
});

test('a topic made anew that has grown as long is known by the timestamp of its record', async (t) => {
  const delivery = new ManualDelivery();
  const { source, events, poll } = intakeOf({ delivery });
  source.produce(P0, 5);
  source.assign([P0]);
  await poll();
  source.remake(P0);
  source.produce(P0, 20, { timestampMs: 99 });
  source.rewind(P0, 0n);
  await poll();
  t.is(events.stopped.length, 1);
  t.is(delivery.handed.length, 5, 'nothing of it is taken for the rest of the old one');
});

test("retention that outruns the reading is said, and with 'hold' it stops", async (t) => {
  const going = intakeOf();
  going.source.produce(P0, 3);
  going.source.assign([P0]);
  await going.poll();
  going.intake.lost({ ...P0, from: 3n, to: 8n });
  t.is(going.state()?.next, 8n);
  t.is(going.events.lost.length, 1);
  const held = intakeOf({ options: { onLostRange: 'hold' } });
  held.source.assign([P0]);
  held.intake.lost({ ...P0, from: 0n, to: 8n });
  t.is(held.state()?.next, 0n);
  t.is(held.events.stopped.length, 1);
});

test('what is not ours is not taken', async (t) => {
  const { source, intake } = intakeOf();
  const [record] = source.produce(P0, 1);
  t.is(intake.offer(record!, 1n), 'full');
  t.true(intake.shouldPause(P0));
  t.is(intake.placed(P0, undefined, { ...P0, start: 0n, end: 1n }), undefined);
  intake.passed(P0, 5n);
  intake.committed([{ ...P0, position: 5n }], 0);
  intake.stop(P0, 'no');
  t.deepEqual(intake.partitions, []);
});
