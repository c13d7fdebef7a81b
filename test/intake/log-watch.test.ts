import test from 'ava';
import { BridgeError } from '../../bridge/errors.js';
import type { Intake, LostRange, PartitionState } from '../../bridge/intake/intake.js';
import { LogWatch, lookAtLogs } from '../../bridge/intake/log-watch.js';
import type { PartitionLog, TopicPartition } from '../../bridge/intake/record-source.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { intakeOf, ManualDelivery, P0 } from './intake-doubles.js';

function stateOf(fields: Partial<PartitionState> = {}): PartitionState {
  return {
    ...P0,
    next: 10n,
    committed: 5n,
    committable: 5n,
    incomplete: 0,
    waiting: 0,
    logEnd: 10n,
    paused: false,
    stopped: undefined,
    blockedBy: undefined,
    blockedSince: undefined,
    lastProgressAt: 0,
    highestSeen: 9n,
    highestSequentialSucceeded: 9n,
    oldestMs: undefined,
    epoch: 1,
    ...fields,
  };
}

const logOf = (start: bigint, end: bigint): PartitionLog => ({ ...P0, start, end });
const NOTHING = { lost: [], backwards: [], unread: [] };

test('a log that stands where we are says nothing', (t) => {
  t.deepEqual(lookAtLogs([stateOf()], [logOf(0n, 10n)]), NOTHING);
  t.deepEqual(lookAtLogs([stateOf()], [logOf(10n, 10n)]), NOTHING);
});

test('a log that begins behind our place has lost a range', (t) => {
  t.deepEqual(lookAtLogs([stateOf()], [logOf(15n, 20n)]).lost, [{ ...P0, from: 10n, to: 15n }]);
});

test('a log that ends before our place went backwards', (t) => {
  const { backwards, lost, unread } = lookAtLogs([stateOf()], [logOf(0n, 9n)]);
  t.is(backwards.length, 1);
  t.regex(backwards[0]!.message, /orders\/0 went backwards: it has offset 9 where 10 was next/);
  t.deepEqual([lost, unread], [[], []]);
});

test('records that came while the broker answered are no log that went backwards', (t) => {
  const now = [stateOf({ next: 12n })];
  t.deepEqual(lookAtLogs(now, [logOf(0n, 10n)], [stateOf({ next: 10n })]), NOTHING);
  t.deepEqual(lookAtLogs(now, [logOf(0n, 10n)], []), NOTHING, 'nor one that was assigned meanwhile');
  t.is(lookAtLogs(now, [logOf(0n, 9n)], [stateOf({ next: 10n })]).backwards.length, 1);
});

test('a partition that is read while its log is asked for is not stopped', async (t) => {
  const { said, watch } = setup();
  const look = watch.look(0);
  said.states = [stateOf({ next: 12n })];
  await look;
  t.deepEqual(said.stopped, []);
  said.log = logOf(0n, 3n);
  await watch.look(1);
  t.is(said.stopped.length, 1, 'one that really went backwards is');
});

test('what lies behind our place is unread, unless we have paused it ourselves', (t) => {
  t.deepEqual(lookAtLogs([stateOf()], [logOf(0n, 11n)]).unread, [P0]);
  t.deepEqual(lookAtLogs([stateOf({ paused: true })], [logOf(0n, 11n)]), NOTHING);
});

test('a partition that has not been placed is judged by its commit, or by what the log has', (t) => {
  const unplaced = { next: undefined, committable: undefined };
  t.deepEqual(lookAtLogs([stateOf(unplaced)], [logOf(7n, 9n)]).lost, [{ ...P0, from: 5n, to: 7n }]);
  t.deepEqual(lookAtLogs([stateOf({ ...unplaced, committed: undefined })], [logOf(7n, 9n)]).unread, [P0]);
  t.deepEqual(lookAtLogs([stateOf({ ...unplaced, committed: undefined })], [logOf(9n, 9n)]), NOTHING);
});

test('a stopped partition, and one that the broker did not speak of, say nothing', (t) => {
  t.deepEqual(lookAtLogs([stateOf({ stopped: 'it went backwards' })], [logOf(0n, 3n)]), NOTHING);
  t.deepEqual(lookAtLogs([stateOf()], []), NOTHING);
});

const WATCHDOG_MS = 60_000;

/** A watch over what is said by hand. */
function setup(state = stateOf()) {
  const said = {
    states: [state],
    log: logOf(0n, 10n),
    lastFetchAt: 0,
    lost: [] as LostRange[],
    stopped: [] as string[],
    stuck: [] as string[],
    rebuilds: [] as string[],
    failRebuild: false,
    away: false as boolean | Error,
    refused: [] as string[],
    answers: 0,
    looks: 0,
  };
  const source = {
    get lastFetchAt() {
      return said.lastFetchAt;
    },
    logs: async () => {
      said.looks++;
      if (said.away) throw said.away === true ? new Error('Kafka is away') : said.away;
      return [said.log];
    },
    rebuild: async (why: string) => {
      said.rebuilds.push(why);
      if (said.failRebuild) throw new Error('no broker');
    },
  };
  const intake = {
    get partitions() {
      return said.states;
    },
    sawLogs: () => undefined,
    lost: (range: LostRange) => said.lost.push(range),
    stop: (_at: TopicPartition, message: string) => said.stopped.push(message),
  } as unknown as Intake;
  const watch = new LogWatch({
    source,
    intake,
    watchdogMs: WATCHDOG_MS,
    onStuck: (_partitions, message) => said.stuck.push(message),
    onRefused: (why) => said.refused.push(why),
    onAnswer: () => said.answers++,
  });
  return { said, watch };
}

test('a consumer that fetches nothing while there is something to read is rebuilt, once', async (t) => {
  const { said, watch } = setup();
  said.log = logOf(0n, 15n);
  await watch.look(0);
  await watch.look(WATCHDOG_MS - 1);
  t.deepEqual(said.rebuilds, []);
  await watch.look(WATCHDOG_MS);
  t.is(said.rebuilds.length, 1);
  t.regex(said.stuck[0]!, /nothing received of orders\/0 for 60000 ms/);
  await watch.look(WATCHDOG_MS + 1);
  await watch.look(2 * WATCHDOG_MS);
  t.is(said.rebuilds.length, 1, 'the new one gets as long');
  await watch.look(2 * WATCHDOG_MS + 1);
  t.is(said.rebuilds.length, 2);
});

test('a marker at the end of the log that never comes is no sign, while the consumer fetches', async (t) => {
  const { said, watch } = setup();
  said.log = logOf(0n, 11n);
  for (let now = 0; now <= 20 * WATCHDOG_MS; now += 5_000) {
    said.lastFetchAt = now;
    await watch.look(now);
  }
  t.deepEqual(said.rebuilds, []);
});

test('a partition whose log grows though nothing of it is received is stuck, while others are fetched', async (t) => {
  const { said, watch } = setup();
  said.log = logOf(0n, 11n);
  for (let now = 0; now < WATCHDOG_MS; now += 5_000) {
    said.lastFetchAt = now;
    await watch.look(now);
  }
  t.deepEqual(said.rebuilds, []);
  said.log = logOf(0n, 12n);
  said.lastFetchAt = WATCHDOG_MS;
  await watch.look(WATCHDOG_MS);
  t.is(said.rebuilds.length, 1);
});

test('a lag that is being read down is no sign, however slow', async (t) => {
  const { said, watch } = setup();
  for (let round = 0n; round < 50n; round++) {
    said.log = logOf(0n, 1000n + round);
    said.states = [stateOf({ next: 10n + round })];
    await watch.look(Number(round) * 50_000);
  }
  t.deepEqual(said.rebuilds, []);
});

test('a partition that was caught up, or paused by us, begins anew', async (t) => {
  const { said, watch } = setup();
  said.log = logOf(0n, 15n);
  await watch.look(0);
  said.states = [stateOf({ paused: true })];
  await watch.look(WATCHDOG_MS - 1);
  said.states = [stateOf()];
  await watch.look(WATCHDOG_MS);
  t.deepEqual(said.rebuilds, []);
});

test('lost and backwards go to the intake, and are no reason to rebuild', async (t) => {
  const { said, watch } = setup();
  said.log = logOf(15n, 20n);
  await watch.look(0);
  t.deepEqual(said.lost, [{ ...P0, from: 10n, to: 15n }]);
  said.log = logOf(0n, 3n);
  await watch.look(WATCHDOG_MS);
  t.is(said.stopped.length, 1);
  t.deepEqual(said.rebuilds, []);
});

test('a rebuild that fails is said, and does not end the watch', async (t) => {
  const { said, watch } = setup();
  said.failRebuild = true;
  said.log = logOf(0n, 15n);
  await watch.look(0);
  await t.notThrowsAsync(watch.look(WATCHDOG_MS));
  t.regex(said.stuck[1]!, /the rebuild failed: no broker/);
});

test('without partitions nobody is asked', async (t) => {
  const { said, watch } = setup();
  said.states = [];
  await watch.look(0);
  t.is(said.looks, 0);
});

test.serial(
  'it looks several times within the time of the watchdog, also after Kafka was away, until the signal',
  async (t) => {
    using clock = fakeClock(0);
    const { said, watch } = setup();
    const stop = new AbortController();
    said.away = true;
    const running = watch.run(stop.signal);
    await clock.advance(WATCHDOG_MS);
    t.true(said.looks >= 4, `${said.looks} looks`);
    said.away = false;
    said.log = logOf(0n, 15n);
    await clock.advance(2 * WATCHDOG_MS);
    t.is(said.rebuilds.length, 1);
    stop.abort();
    await running;
    const before = said.looks;
    await clock.advance(WATCHDOG_MS);
    t.is(said.looks, before);
  },
);

test.serial(
  'a Kafka that refuses us is said at each look, an outage at none, and the next answer ends it',
  async (t) => {
    using clock = fakeClock(0);
    const { said, watch } = setup();
    const stop = new AbortController();
    const running = watch.run(stop.signal);
    said.away = true;
    await clock.advance(20_000);
    t.deepEqual(said.refused, []);
    said.away = new BridgeError('KTB_KAFKA', 'it refused the credentials');
    await clock.advance(10_000);
    t.deepEqual(new Set(said.refused), new Set(['it refused the credentials']));
    said.away = false;
    await clock.advance(20_000);
    t.is(said.answers, 1);
    stop.abort();
    await clock.advance(5_000);
    await running;
  },
);

test('with the real intake: a lost range is gone on behind, and a log made anew stops', async (t) => {
  const delivery = new ManualDelivery();
  const { source, intake, events, state, poll } = intakeOf({ delivery });
  const watch = new LogWatch({ source, intake, watchdogMs: WATCHDOG_MS, onStuck: () => t.fail() });
  source.produce(P0, 3);
  source.assign([P0]);
  await poll();
  source.produce(P0, 7);
  source.trim(P0, 6n);
  await watch.look();
  t.deepEqual(events.lost, [{ ...P0, from: 3n, to: 6n }]);
  await poll();
  await turn();
  t.deepEqual(delivery.offsets, [0n, 1n, 2n, 6n, 7n, 8n, 9n]);
  source.remake(P0);
  source.produce(P0, 4);
  await watch.look();
  t.is(events.stopped.length, 1);
  t.deepEqual(intake.commitEntries(), []);
  t.truthy(state()?.stopped);
});
