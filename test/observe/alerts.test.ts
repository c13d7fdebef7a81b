import test from 'ava';
import { Alerts, type Alert, type AlertRaise } from '../../bridge/observe/alerts.js';
import { memoryLogger } from '../helpers/connections.js';
import { bridgeInMemory, P0 } from '../helpers/doubles/bridge-in-memory.js';
import { fakeClock } from '../helpers/doubles/clock.js';

function setup() {
  const log = memoryLogger();
  const sent: Alert[] = [];
  const alerts = new Alerts({
    subscription: 'orders',
    groupMs: 60_000,
    logger: log.logger,
    onAlert: (alert) => sent.push(alert),
  });
  return { alerts, sent, log };
}

const quarantined = (offset: number, route = 'placed'): AlertRaise => ({
  kind: 'quarantine',
  scope: { route },
  message: (count) => `${count} of ${route}`,
  example: `orders/0/${offset}`,
});

test.serial(
  'a storm of quarantines is one alert for each route, with how many and the first of them',
  async (t) => {
    using clock = fakeClock();
    const { alerts, sent, log } = setup();
    const begun = Date.now();
    for (let offset = 0; offset < 1_000; offset++) alerts.raise(quarantined(offset));
    await clock.advance(1_000);
    alerts.raise(quarantined(1_000));
    alerts.raise(quarantined(7, 'paid'));
    t.deepEqual(sent, [], 'they are gathered');
    await clock.advance(60_000);
    t.deepEqual(sent, [
      {
        kind: 'quarantine',
        scope: { route: 'placed' },
        message: '1001 of placed: orders/0/0, orders/0/1, orders/0/2, …',
        count: 1_001,
        firstAt: begun,
        lastAt: begun + 1_000,
        subscription: 'orders',
      },
      {
        kind: 'quarantine',
        scope: { route: 'paid' },
        message: '1 of paid: orders/0/7',
        count: 1,
        firstAt: begun + 1_000,
        lastAt: begun + 1_000,
        subscription: 'orders',
      },
    ]);
    t.is(log.text.split('\n').filter((line) => line.includes('"alert":"quarantine"')).length, 2);
    await clock.advance(600_000);
    t.is(sent.length, 2);
  },
);

test.serial(
  'what is urgent goes out at once; what comes again meanwhile is one more at the end',
  async (t) => {
    using clock = fakeClock();
    const { alerts, sent } = setup();
    const open: AlertRaise = { kind: 'circuit', message: 'the circuit is open' };
    alerts.raise(open);
    t.is(sent.length, 1);
    for (let count = 0; count < 5; count++) {
      await clock.advance(10_000);
      alerts.raise(open);
    }
    t.is(sent.length, 1);
    await clock.advance(20_000);
    t.deepEqual(
      sent.map(({ count, message }) => [count, message]),
      [
        [1, 'the circuit is open'],
        [5, 'the circuit is open (5 times)'],
      ],
    );
    alerts.raise(open);
    t.is(sent.length, 3, 'a new window');
  },
);

test.serial('other kinds and other scopes are alerts of their own', (t) => {
  using _clock = fakeClock();
  const { alerts, sent } = setup();
  const message = 'm';
  alerts.raise({ kind: 'lostRange', scope: { topic: 'a', partition: 0 }, message });
  alerts.raise({ kind: 'lostRange', scope: { topic: 'a', partition: 1 }, message });
  alerts.raise({ kind: 'partitionStopped', scope: { topic: 'a', partition: 1 }, message });
  t.is(sent.length, 3);
});

test.serial('at the end what is gathered goes out, and what comes later at once', (t) => {
  using _clock = fakeClock();
  const { alerts, sent } = setup();
  alerts.raise(quarantined(1));
  alerts.raise(quarantined(2));
  alerts.flush();
  t.deepEqual(
    sent.map(({ count }) => count),
    [2],
  );
  alerts.raise(quarantined(3));
  t.is(sent.length, 2);
});

test.serial('an outage of Temporal is one alert, however long, and the next one another', async (t) => {
  using clock = fakeClock();
  const { bridge, source, temporal, scrape, close } = await bridgeInMemory(clock);
  for (const outages of [1, 2]) {
    temporal.fail({ times: Infinity, calls: ['start', 'describe', 'backlog', 'history'] });
    source.produce(P0, 10);
    source.poll();
    await clock.advance(10 * 60_000);
    temporal.heal();
    await clock.advanceUntil(() => bridge.status().outcomes.started === 10 * outages, 60_000);
    t.is((await scrape()).value('ktb_alerts_total', { kind: 'circuit' }), outages);
  }
  await close();
});

test.serial('a bridge tells of its quarantines and dead letters by route, once for all', async (t) => {
  using clock = fakeClock();
  const { source, temporal, scrape, log, close } = await bridgeInMemory(clock, {
    alerts: { groupMs: 5_000 },
  });
  source.produce(P0, 30, { value: Buffer.from('no JSON') });
  source.produce(P0, 20);
  source.poll();
  await clock.advance(10_000);
  for (const { request } of temporal.executions.values()) temporal.end(request.workflowId, 'failed');
  await clock.advance(150_000);
  const found = await scrape();
  t.is(found.value('ktb_alerts_total', { kind: 'quarantine' }), 1);
  t.is(found.value('ktb_alerts_total', { kind: 'deadLetter' }), 1);
  t.is(found.value('ktb_dead_letters_total', { route: 'placed' }), 20);
  t.regex(
    log.text,
    /"alert":"quarantine","topic":"orders","count":30,"msg":"30 records of topic `orders` went into quarantine: orders\/0\/0, orders\/0\/1, orders\/0\/2, …"/,
  );
  t.regex(
    log.text,
    /"alert":"deadLetter","route":"placed","count":20,"msg":"20 records of route `placed` ended badly/,
  );
  await close();
});
