/** The whole bridge between a Kafka and a Temporal in memory, for what only shows when its parts meet. */
import test from 'ava';
import { createLogger, type Logger } from '../../bridge/observe/logger.js';
import { Bridge } from '../../bridge/bridge.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { memoryLogger } from '../helpers/connections.js';
import { fakeClock, turn, type FakeClock } from '../helpers/doubles/clock.js';
import { SourceDouble } from '../helpers/doubles/source-double.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';

const P0 = { topic: 'orders', partition: 0 };

async function running(clock: FakeClock, logger: Logger = createLogger({ name: 'test', level: 'silent' })) {
  const source = new SourceDouble();
  const temporal = new TemporalDouble();
  const config = resolveConfig(
    {
      name: 'orders',
      kafka: { brokers: ['localhost:9092'], groupId: 'orders' },
      temporal: { taskQueue: 'orders' },
      routes: [{ topic: 'orders', activity: 'handle' }],
    },
    { baseDir: '/', env: {} },
  );
  source.produce(P0, 0);
  const bridge = new Bridge(config, {
    logger,
    ports: { source, temporal },
  });
  const started = bridge.start();
  await clock.advance(100);
  await started;
  const close = async (): Promise<void> => {
    const closing = bridge.close();
    await clock.advance(60_000);
    await closing;
  };
  return { bridge, source, temporal, close };
}

test.serial(
  'one record alone in an outage is started when Temporal is back, and never quarantined',
  async (t) => {
    using clock = fakeClock();
    const { bridge, source, temporal, close } = await running(clock);
    temporal.fail({ times: Infinity, calls: ['start', 'describe', 'backlog', 'history'] });
    source.produce(P0, 1);
    source.poll();
    await clock.advance(3 * 60_000);
    temporal.heal();
    await clock.advanceUntil(() => bridge.status().outcomes.started === 1, 30_000);
    t.is(temporal.ofType('ktbQuarantine').length, 0);
    t.is(temporal.executions.size, 1);
    await clock.advance(1_000);
    t.is(source.committedOf(P0), 1n);
    await close();
  },
);

test.serial('partitions that are lost and come back in an outage go on when it ends', async (t) => {
  using clock = fakeClock();
  const { bridge, source, temporal, close } = await running(clock);
  source.produce(P0, 20);
  temporal.fail({ times: Infinity });
  source.poll();
  await clock.advanceUntil(() => bridge.status().gates.includes('circuit'), 30_000);
  // The session timed out: every record under way is given back, so no call is left that would find out.
  source.assign([P0], true);
  source.poll();
  await turn(3);
  temporal.heal();
  await clock.advanceUntil(() => bridge.status().outcomes.started === 20, 60_000);
  t.deepEqual(bridge.status().gates, []);
  await clock.advance(1_000);
  t.is(source.committedOf(P0), 20n);
  await close();
});

test.serial('what was started and whose reply was lost is not started again after a restart', async (t) => {
  using clock = fakeClock();
  const { source, temporal, close, bridge } = await running(clock);
  source.produce(P0, 5);
  temporal.loseReplies({ times: 5 });
  source.poll();
  await turn(5);
  t.is(temporal.executions.size, 5);
  source.assign([P0], true); // as a restart: all is read again from the commit
  source.poll();
  await clock.advanceUntil(() => bridge.status().outcomes.started === 5, 30_000);
  t.is(temporal.executions.size, 5);
  t.is(bridge.status().outcomes.duplicate, 0);
  await close();
});

test.serial(
  'a bridge whose credentials Temporal refuses for a while says so once, and starts what waited when they are taken',
  async (t) => {
    using clock = fakeClock();
    const log = memoryLogger();
    const { bridge, source, temporal, close } = await running(clock, log.logger);
    temporal.fail({
      times: Infinity,
      calls: ['start', 'backlog'],
      fault: () => new TemporalFault('systemic', 'Request unauthorized.', { status: 'UNAUTHENTICATED' }),
    });
    source.produce(P0, 20);
    source.poll();
    await clock.advance(60_000);
    const said = log.text.split('\n').filter((line) => line.includes('"alert":"connection"'));
    t.is(said.length, 1);
    t.regex(said[0]!, /Temporal at localhost:7233 refused the credentials .*Waiting until that is mended/);
    temporal.heal();
    await clock.advanceUntil(() => bridge.status().outcomes.started === 20, 60_000);
    t.is(temporal.ofType('ktbQuarantine').length, 0);
    await close();
  },
);
