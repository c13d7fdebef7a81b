/** Each metric through a change of what it measures, on a whole bridge in memory. */
import test from 'ava';
import { BridgeMetrics } from '../../bridge/observe/metrics.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { bridgeInMemory, P0, P1 } from '../helpers/doubles/bridge-in-memory.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import { deliverable, routeOf } from '../helpers/doubles/mapped-records.js';
import { Scrape } from '../helpers/prometheus.js';
import { BASE, withRoutes } from '../config/base-config.js';
import { observed } from '../helpers/doubles/observed.js';

const keyed = (key: string, type = 'placed') => ({
  'idempotency-key': Buffer.from(key),
  'event-type': Buffer.from(type),
});
/** A bridge without a partition. */
const NOTHING = observed();

const ROUTES = [
  { id: 'placed', topic: 'orders', eventType: 'placed', workflow: 'fulfil' },
  { id: 'rest', topic: 'orders', workflow: 'fulfil', filter: (event: { id?: number }) => event.id !== 9 },
];

test.serial('records are counted once, by topic, event type and outcome', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, close } = await bridgeInMemory(clock, { routes: ROUTES });
  temporal.plant('taken', undefined);
  source.produce(P0, 1, { headers: keyed('a') });
  source.produce(P0, 1, { headers: keyed('a') });
  source.produce(P0, 1, { headers: keyed('a'), value: Buffer.from('{"id":2}') });
  source.produce(P0, 1, { headers: keyed('taken') });
  source.produce(P0, 1, { headers: keyed('b', 'nobody-knows') });
  source.produce(P0, 1, { value: Buffer.from('{"id":9}') });
  source.produce(P0, 1, { value: Buffer.from('no JSON') });
  source.poll();
  await clock.advance(1_000);
  const counted = (await scrape())
    .of('kafka_messages_processed_total', { topic: 'orders' })
    .map(({ labels, value }) => [labels['event_type'], labels['outcome'], value]);
  t.deepEqual(counted.map(String).toSorted(), [
    'other,filtered,1',
    'other,quarantined,1',
    'other,started,1',
    'placed,conflict,1',
    'placed,duplicate,1',
    'placed,foreign,1',
    'placed,started,1',
  ]);
  await close();
});

test.serial(
  'lag is what is not committed, and its seconds the age of the oldest that is not settled',
  async (t) => {
    using clock = fakeClock();
    const { source, temporal, scrape, close } = await bridgeInMemory(clock);
    const at = { consumergroup: 'orders', topic: 'orders', partition: 0 };
    temporal.answerLate();
    source.produce(P0, 5, { timestampMs: Date.now() - 7_000 });
    source.poll();
    await clock.advance(1_000);
    const during = await scrape();
    t.is(during.value('ktb_consumer_lag', at), 5);
    t.is(during.value('ktb_consumer_lag_seconds', at), 8);
    temporal.answer();
    await clock.advance(1_000);
    const after = await scrape();
    t.is(after.value('ktb_consumer_lag', at), 0);
    t.is(after.value('ktb_consumer_lag_seconds', at), 0);
    await close();
  },
);

test.serial('the places of a partition move with its records', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, close } = await bridgeInMemory(clock);
  const places = async () => {
    const found = await scrape();
    return [
      'highest_seen_offset',
      'highest_sequential_succeeded_offset',
      'committed_offset',
      'incomplete_offsets',
    ].map((name) => found.value(`ktb_partition_${name}`, { topic: 'orders', partition: 0 }));
  };
  source.produce(P0, 3);
  source.poll();
  await clock.advance(1_000);
  t.deepEqual(await places(), [2, 2, 3, 0]);
  const before = (await scrape()).value('ktb_partition_last_progress_timestamp_seconds')!;
  temporal.answerLate();
  source.produce(P0, 4);
  source.poll();
  await clock.advance(1_000);
  t.deepEqual(await places(), [6, 2, 3, 4]);
  t.is((await scrape()).value('ktb_partition_last_progress_timestamp_seconds'), before);
  temporal.answer();
  await clock.advance(1_000);
  t.deepEqual(await places(), [6, 6, 7, 0]);
  t.true((await scrape()).value('ktb_partition_last_progress_timestamp_seconds')! > before);
  await close();
});

test.serial('a rebalance is counted, and partitions that were lost are told no more', async (t) => {
  using clock = fakeClock();
  const { source, scrape, close } = await bridgeInMemory(clock);
  t.is((await scrape()).value('ktb_rebalances_total'), 1);
  source.produce(P1, 0);
  source.assign([P0, P1]);
  const both = await scrape();
  t.is(both.value('ktb_rebalances_total'), 2);
  t.is(both.value('ktb_partitions_assigned'), 2);
  t.is(both.value('ktb_partition_assignment_epoch', { partition: 1 }), 2);
  t.is(both.value('ktb_partition_assignment_epoch', { partition: 0 }), 1);
  source.assign([P1]);
  const one = await scrape();
  t.is(one.value('ktb_partitions_assigned'), 1);
  t.deepEqual(
    one.of('ktb_consumer_lag').map(({ labels }) => labels['partition']),
    ['1'],
  );
  await close();
});

test.serial('commits are counted by what became of them, with what they took', async (t) => {
  using clock = fakeClock();
  const { source, scrape, close } = await bridgeInMemory(clock);
  const count = async (result: string) => (await scrape()).value('ktb_offset_commits_total', { result }) ?? 0;
  await clock.advance(1_000);
  const [skipped, succeeded] = [await count('skipped'), await count('success')];
  t.true(skipped > 0, 'there was nothing to commit');
  source.refuseCommits = new Error('not the owner');
  source.produce(P0, 1);
  source.poll();
  await clock.advance(600);
  t.true((await count('failure')) > 0);
  source.refuseCommits = undefined;
  await clock.advance(600);
  t.is(await count('success'), succeeded + 1);
  t.is(
    (await scrape()).value('ktb_offset_commit_duration_seconds_count'),
    (await count('failure')) + (await count('success')),
  );
  await close();
});

test.serial(
  'a route that is held blocks its partition, with what waits behind, and since when',
  async (t) => {
    using clock = fakeClock();
    const { source, scrape, close } = await bridgeInMemory(clock, {
      quarantineLimit: { count: 1, share: 0.1, window: 10 },
    });
    t.is((await scrape()).value('ktb_routes_held', { reason: 'quarantineLimit' }), 0);
    source.produce(P0, 6, { value: Buffer.from('no JSON') });
    source.poll();
    await clock.advance(5_000);
    const held = await scrape();
    t.is(held.value('ktb_routes_held', { reason: 'quarantineLimit' }), 1);
    t.is(held.value('ktb_partitions_paused', { reason: 'held' }), 1);
    t.true(held.value('ktb_blocking_records', { partition: 0 })! >= 4);
    t.true(held.value('ktb_blocking_seconds', { partition: 0 })! >= 4);
    t.true(held.value('ktb_records_deferred_total', { reason: 'held' })! >= 1);
    t.is(held.value('ktb_alerts_total', { kind: 'quarantineLimit' }), 1);
    await close();
  },
);

test.serial(
  'a partition over its share, one that is stopped and a drain are pauses of their own',
  async (t) => {
    using clock = fakeClock();
    const { source, temporal, scrape, bridge } = await bridgeInMemory(clock, {
      buffer: { records: 4 },
      maxPollRecords: 4,
      drainTimeoutMs: 5_000,
    });
    temporal.answerLate();
    source.produce(P0, 10);
    source.poll();
    await clock.advance(100);
    const full = await scrape();
    t.is(full.value('ktb_partitions_paused', { reason: 'buffer' }), 1);
    t.is(full.value('ktb_buffered_records'), 4);
    t.is(full.value('ktb_inflight_records'), 4);
    t.true(full.value('ktb_buffered_bytes')! > 0);
    const closing = bridge.close();
    t.is((await scrape()).value('ktb_partitions_paused', { reason: 'drain' }), 1);
    temporal.answer();
    await clock.advance(10_000);
    await closing;
    t.is((await scrape()).value('ktb_inflight_records'), 0);
  },
);

test.serial('a log that went backwards is a partition stopped, and an alert', async (t) => {
  using clock = fakeClock();
  const { source, scrape, close, log } = await bridgeInMemory(clock);
  source.produce(P0, 5);
  source.poll();
  await clock.advance(1_000);
  source.remake(P0);
  await clock.advance(20_000);
  const found = await scrape();
  t.is(found.value('ktb_partitions_paused', { reason: 'stopped' }), 1);
  t.is(found.value('ktb_alerts_total', { kind: 'partitionStopped' }), 1);
  t.regex(log.text, /"alert":"partitionStopped","topic":"orders","partition":0.*went backwards/);
  await close();
});

test.serial('an outage of Temporal opens the circuit, and its end closes it', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, bridge, close } = await bridgeInMemory(clock);
  t.is((await scrape()).value('ktb_circuit_state'), 0);
  temporal.fail({ times: Infinity });
  source.produce(P0, 10);
  source.poll();
  await clock.advanceUntil(() => bridge.status().gates.includes('circuit'), 30_000);
  const open = await scrape();
  t.is(open.value('ktb_circuit_state'), 2);
  t.is(open.value('ktb_alerts_total', { kind: 'circuit' }), 1);
  t.true(
    open.value('ktb_temporal_request_duration_seconds_count', {
      operation: 'start',
      status: 'UNAVAILABLE',
    })! >= 5,
  );
  temporal.heal();
  await clock.advanceUntil(() => bridge.status().outcomes.started === 10, 60_000);
  const closed = await scrape();
  t.is(closed.value('ktb_circuit_state'), 0);
  t.is(closed.value('ktb_temporal_request_duration_seconds_count', { operation: 'start', status: 'OK' }), 10);
  await close();
});

test.serial('starts are measured from the record on; a delayed one is deferred instead', async (t) => {
  using clock = fakeClock();
  const { source, scrape, close } = await bridgeInMemory(clock);
  source.produce(P0, 2, { timestampMs: Date.now() - 2_000 });
  source.produce(P0, 1, { timestampMs: -1 });
  source.produce(P0, 1, { headers: { 'not-before': Buffer.from(String(Date.now() + 60_000)) } });
  source.poll();
  await clock.advance(1_000);
  const found = await scrape();
  t.is(found.value('ktb_append_to_start_seconds_count'), 2);
  t.is(found.value('ktb_append_to_start_seconds_bucket', { le: 1 }), 0);
  t.is(found.value('ktb_append_to_start_seconds_bucket', { le: 2.5 }), 2);
  t.is(found.value('ktb_records_deferred_total', { reason: 'delayed' }), 1);
  await close();
});

test.serial('closes are measured where the bridge waits for them: on signal and update routes', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, close } = await bridgeInMemory(clock, {
    routes: [{ topic: 'orders', signal: 'paid', workflowId: '/id' }],
  });
  source.produce(P0, 1);
  source.poll();
  await clock.advance(1_000);
  t.is((await scrape()).value('ktb_start_to_close_seconds_count'), 0);
  t.is((await scrape()).value('ktb_append_to_start_seconds_count'), 1, 'it has begun, and is not settled');
  for (const id of temporal.executions.keys()) temporal.end(id, 'completed');
  await clock.advance(1_000);
  t.is((await scrape()).value('ktb_start_to_close_seconds_count'), 1);
  await close();
});

test.serial('tasks that wait, limits and what waits for a permit are told', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, close } = await bridgeInMemory(clock, {
    maxConcurrentStarts: 2,
    routes: [{ id: 'placed', topic: 'orders', workflow: 'fulfil', maxInFlight: 7 }],
  });
  temporal.setBacklog('orders', 17);
  temporal.polled = true;
  await clock.advance(6_000);
  temporal.answerLate();
  source.produce(P0, 6);
  source.poll();
  await clock.advance(100);
  const found = await scrape();
  t.is(found.value('ktb_backlog_tasks'), 17);
  t.is(found.value('ktb_limit', { route: '' }), 2);
  t.is(found.value('ktb_limit', { route: 'placed' }), 7);
  t.is(found.value('ktb_inflight_records'), 2);
  t.is(found.value('ktb_waiting_records'), 4);
  temporal.answer();
  await close();
});

test.serial('a start that meets a taken ID is no failure of a call', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, close } = await bridgeInMemory(clock);
  source.produce(P0, 2, { headers: keyed('a') });
  temporal.fail({
    times: 1,
    fault: () => new TemporalFault('systemic', 'odd', { status: 'made up: key-17' }),
  });
  source.poll();
  await clock.advance(2_000);
  const statuses = (await scrape())
    .of('ktb_temporal_request_duration_seconds_count', { operation: 'start' })
    .map(({ labels, value }) => [labels['status'], value]);
  t.deepEqual(statuses.map(String).toSorted(), ['ALREADY_EXISTS,1', 'OK,1', 'UNKNOWN,1']);
  await close();
});

test('conflated and expired records have counters of their own, by route', async (t) => {
  const route = routeOf({ id: 'placed' });
  const metrics = new BridgeMetrics(
    resolveConfig(withRoutes({ id: 'placed', topic: 'orders', workflow: 'w' }), { baseDir: '/', env: {} }),
  );
  for (const outcome of ['conflated', 'conflated', 'expired', 'started'] as const)
    metrics.settled(deliverable({ route }), { outcome });
  metrics.deadLetters('placed', 3);
  const found = new Scrape(await metrics.text(NOTHING, true));
  t.is(found.value('ktb_records_conflated_total', { route: 'placed' }), 2);
  t.is(found.value('ktb_records_expired_total', { route: 'placed' }), 1);
  t.is(found.value('ktb_dead_letters_total', { route: 'placed' }), 3);
});

test('what the workers can take is told as the capacity loop has told it last', async (t) => {
  const metrics = new BridgeMetrics(resolveConfig(BASE, { baseDir: '/', env: {} }));
  const capacity = { limit: undefined, circuit: undefined, lease: undefined, paused: [] };
  const untold = new Scrape(await metrics.text({ ...NOTHING, capacity }, true));
  t.is(untold.value('ktb_limit', { route: '' }), undefined);
  t.is(untold.value('ktb_limit_minimum'), 10);
  t.is(untold.value('ktb_capacity_circuit_state'), 0);
  const lease = {
    sequence: 1,
    upTo: {},
    forMs: 5_000,
    limit: 10,
    inFlight: 17,
    circuit: 'open' as const,
    workers: 2,
    bridges: 1,
    heldBy: [],
    pressure: ['cpu', 'made up'],
    settings: { version: 0, limit: null, pauses: {} },
    holds: true,
  };
  const admission = { ...NOTHING.admission, holds: ['paused', 'made up'] };
  const told = new Scrape(
    await metrics.text(
      { ...NOTHING, admission, capacity: { limit: 10, circuit: 'open', lease, paused: ['orders'] } },
      true,
    ),
  );
  t.is(told.value('ktb_limit', { route: '' }), 10);
  t.is(told.value('ktb_capacity_circuit_state'), 2);
  t.is(told.value('ktb_capacity_inflight_records'), 17);
  t.is(told.value('ktb_capacity_workers'), 2);
  t.is(told.value('ktb_capacity_lease_held'), 1);
  t.deepEqual(
    told.of('ktb_pressure').map(({ labels, value }) => `${labels['of']} ${value}`),
    ['memory 0', 'cpu 1', 'event-loop 0', 'slots 0', 'response 0'],
  );
  t.deepEqual(
    told.of('ktb_gate_shut').map(({ labels, value }) => `${labels['reason']} ${value}`),
    ['backlog 0', 'circuit 0', 'paused 1'],
  );
});

test('two bridges in one process count for themselves', (t) => {
  const config = resolveConfig(BASE, { baseDir: '/', env: {} });
  t.notThrows(() => [new BridgeMetrics(config), new BridgeMetrics(config)]);
});
