/** Readiness through what happens to a whole bridge, in memory. */
import test from 'ava';
import { Bridge } from '../../bridge/bridge.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { BASE } from '../config/base-config.js';
import { memoryLogger } from '../helpers/connections.js';
import { bridgeInMemory, P0, P1 } from '../helpers/doubles/bridge-in-memory.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import { SourceDouble } from '../helpers/doubles/source-double.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';

const statusOf = ({ bridge }: { readonly bridge: Bridge }) => {
  const { status, checks } = bridge.readiness();
  return [
    status,
    ...checks.filter((check) => check.status !== 'ok').map(({ name, status: of }) => `${name} ${of}`),
  ];
};

test.serial('it is not ready before Temporal has answered, and is when the group was joined', async (t) => {
  using clock = fakeClock();
  const temporal = new TemporalDouble();
  const bridge = new Bridge(resolveConfig(BASE, { baseDir: '/', env: {} }), {
    logger: memoryLogger().logger,
    ports: { source: new SourceDouble(), temporal },
  });
  temporal.fail({ calls: ['capabilities'], times: 3 });
  const started = bridge.start();
  await clock.advance(500);
  t.deepEqual(statusOf({ bridge }), ['failed', 'bridge failed', 'temporal failed', 'kafka failed']);
  await clock.advance(5_000);
  await started;
  t.deepEqual(statusOf({ bridge }), ['ok'], 'without a partition too');
  const closing = bridge.close();
  t.deepEqual(statusOf({ bridge }), ['failed', 'bridge failed']);
  await clock.advance(60_000);
  await closing;
  t.deepEqual(statusOf({ bridge })[0], 'failed');
});

test.serial('rebalances, held routes, a full buffer and lag do not make it less ready', async (t) => {
  using clock = fakeClock();
  const it = await bridgeInMemory(clock, {
    quarantineLimit: { count: 1, share: 0.1, window: 10 },
    buffer: { records: 4 },
  });
  it.source.produce(P0, 100, { value: Buffer.from('no JSON') });
  it.source.poll();
  for (const partitions of [[P0, P1], [P1], [], [P0]]) {
    it.source.assign(partitions);
    it.source.poll();
    await clock.advance(60_000);
    t.deepEqual(statusOf(it), ['ok']);
  }
  await it.close();
});

test.serial(
  'an outage of Temporal is told after 30 s, though its capabilities are known, and until it answers',
  async (t) => {
    using clock = fakeClock();
    const it = await bridgeInMemory(clock);
    await clock.advance(120_000);
    t.deepEqual(statusOf(it), ['ok'], 'it is asked also while nothing comes');
    it.temporal.fail({ times: Infinity, calls: ['start', 'describe', 'backlog', 'history'] });
    it.source.produce(P0, 3);
    it.source.poll();
    await clock.advance(20_000);
    t.deepEqual(statusOf(it), ['ok', 'temporal away']);
    await clock.advance(11_000);
    t.deepEqual(statusOf(it), ['failed', 'temporal failed']);
    it.temporal.heal();
    await clock.advance(15_000);
    t.deepEqual(statusOf(it), ['ok']);
    await it.close();
  },
);

test.serial('Kafka is away when neither a fetch nor a look at the log is answered', async (t) => {
  using clock = fakeClock();
  const it = await bridgeInMemory(clock);
  const { logs } = it.source;
  it.source.logs = () => Promise.reject(new Error('ECONNREFUSED'));
  await clock.advance(20_000);
  t.deepEqual(statusOf(it), ['ok', 'kafka away']);
  await clock.advance(15_000);
  t.deepEqual(statusOf(it), ['failed', 'kafka failed']);
  it.source.poll();
  t.deepEqual(statusOf(it), ['ok'], 'a fetch is an answer');
  await clock.advance(35_000);
  t.deepEqual(statusOf(it), ['failed', 'kafka failed']);
  it.source.logs = logs;
  await clock.advance(6_000);
  t.deepEqual(statusOf(it), ['ok'], 'so is a look');
  await it.close();
});
