import test from 'ava';
import { StallWatch } from '../../bridge/observe/stall-watch.js';
import { bridgeInMemory, P0 } from '../helpers/doubles/bridge-in-memory.js';
import { fakeClock } from '../helpers/doubles/clock.js';
import type { PartitionState } from '../../bridge/intake/intake.js';
import { observed, partitionState } from '../helpers/doubles/observed.js';

const MINUTE = 60_000;

test.serial(
  'a partition that does not move for five minutes with something to do is told once, and why',
  async (t) => {
    using clock = fakeClock();
    const { source, scrape, close, log, bridge } = await bridgeInMemory(clock, {
      quarantineLimit: { count: 1, share: 0.1, window: 10 },
    });
    source.produce(P0, 6, { value: Buffer.from('no JSON') });
    source.poll();
    await clock.advance(5 * MINUTE - 10_000);
    t.is((await scrape()).value('ktb_alerts_total', { kind: 'partitionStalled' }), undefined);
    await clock.advance(30 * MINUTE);
    t.is((await scrape()).value('ktb_alerts_total', { kind: 'partitionStalled' }), 1);
    t.regex(log.text, /orders\/0 did not move for 5 minutes, with something to do: .*went into quarantine/);
    t.is(bridge.status().phase, 'running');
    await close();
  },
);

test.serial('an idle partition, and one that moves, are not', async (t) => {
  using clock = fakeClock();
  const { source, scrape, close } = await bridgeInMemory(clock);
  await clock.advance(20 * MINUTE);
  for (let count = 0; count < 5; count++) {
    source.produce(P0, 1);
    source.poll();
    await clock.advance(4 * MINUTE);
  }
  t.is((await scrape()).value('ktb_alerts_total', { kind: 'partitionStalled' }), undefined);
  await close();
});

test('one that moves again and stalls again is told again; one that is stopped, or that an operator has paused, never', (t) => {
  const state: { -readonly [K in keyof PartitionState]: PartitionState[K] } = partitionState();
  const told: string[] = [];
  const gates = ['backlog'];
  const pause = 'ann has paused route `placed`';
  const scope = { topic: 'orders', routeId: 'placed' };
  const watch = new StallWatch({
    observe: () =>
      observed({
        partitions: [state],
        holds: [{ scope, reason: 'operator', message: pause, since: 0 }],
        admission: { limit: 1, inFlight: 0, waiting: 0, holds: gates, floors: [] },
      }),
    onStalled: (_partitions, message) => told.push(message),
    stalledMs: 100,
  });
  watch.look(0);
  watch.look(99);
  t.is(told.length, 0);
  watch.look(100);
  watch.look(1_000);
  t.deepEqual(told.length, 1);
  t.regex(told[0]!, /intake is held by backlog/);
  state.lastProgressAt = 1;
  watch.look(1_001);
  watch.look(1_101);
  t.is(told.length, 2);
  state.lastProgressAt = 2;
  state.stopped = 'its log went backwards';
  watch.look(1_102);
  watch.look(9_999);
  state.stopped = undefined;
  state.blockedBy = pause;
  watch.look(10_000);
  watch.look(19_999);
  state.blockedBy = undefined;
  gates.push('paused');
  watch.look(20_000);
  watch.look(29_999);
  t.is(told.length, 2);
});
