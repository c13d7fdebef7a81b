import { setMaxListeners } from 'node:events';
import test from 'ava';
import { QueueAdmission, type AcquireOptions, type Permit } from '../../bridge/admission/admission.js';
import { CapacityLoop, recordsOnly } from '../../bridge/admission/capacity-loop.js';
import { RouteHolds } from '../../bridge/admission/route-holds.js';
import { resolveConfig } from '../../bridge/config/resolve.js';
import type { BridgeConfig } from '../../bridge/config/types.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { workerReport } from '../temporal/capacity-port-contract.js';
import { CapacityDouble } from '../helpers/doubles/capacity-double.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';

const CONFIG: BridgeConfig = {
  name: 'shop',
  kafka: { brokers: ['localhost:9092'], groupId: 'shop' },
  temporal: { taskQueue: 'q' },
  capacity: { limit: 'fixed', initial: 6, minimum: 3, maximum: 6 },
  workflowTypes: { slow: { maxInFlight: 2 } },
  routes: [
    { id: 'capped', topic: 'a', workflow: 'work', maxInFlight: 1 },
    { id: 'typed', topic: 'b', workflow: 'slow' },
    { id: 'elsewhere', topic: 'c', workflow: 'work', options: { taskQueue: 'other' } },
    { id: 'free', topic: 'd', workflow: 'work' },
  ],
};

const { signal } = new AbortController();
setMaxListeners(0, signal); // p-queue listens for each

function setup(port = new CapacityDouble('q'), name = 'shop') {
  const config = resolveConfig({ ...CONFIG, name }, { baseDir: '/', env: {} });
  const holds = new RouteHolds({ quarantineLimit: undefined, foreignLimit: 20, idPrefix: '' });
  const backlog = { backlog: 0, lastLook: undefined };
  const circuits: string[] = [];
  const lost: string[] = [];
  const loop = new CapacityLoop({
    config,
    port,
    holds,
    backlog,
    now: () => Date.now(),
    onCircuit: (circuit) => circuits.push(circuit),
    onLost: (fault) => lost.push(fault.message),
  });
  const admission = new QueueAdmission(100, loop);
  loop.serve(admission);
  const running = loop.run();
  const permits: Permit[] = [];
  const want = (
    count: number,
    route = 'free',
    workflowType = 'work',
    options: Partial<AcquireOptions> = {},
  ) => {
    for (let index = 0; index < count; index++)
      void admission
        .acquire({ weight: 1, priority: 'medium', route, workflowType, signal, ...options })
        .then((permit) => permits.push(permit));
  };
  const end = async () => {
    await loop.close(100);
    await running;
  };
  return { port, loop, admission, holds, backlog, permits, want, lost, circuits, end };
}

/** A worker that has something to do reports so often. */
async function alive(port: CapacityDouble): Promise<void> {
  await port.report(workerReport({ sentAt: Date.now() }));
}

test.serial('as many are admitted as the queue has capacity, each with a slot of its own', async (t) => {
  using clock = fakeClock();
  const { port, permits, want, admission, loop, end } = setup();
  await alive(port);
  want(10);
  await clock.advance(1_000);
  t.is(permits.length, 6);
  t.is(new Set(permits.flatMap(({ slots }) => slots)).size, 6);
  t.is(admission.state().waiting, 4);
  t.like(loop.state(), { limit: 6, circuit: 'closed', lease: { holds: true, inFlight: 6 }, paused: [] });
  for (const permit of permits) permit.release('inWork');
  await clock.advance(1_000);
  t.is(permits.length, 6, 'they are in work');
  permits[0]!.release('settled');
  const [stream, number] = permits[1]!.slots[0]!.split(':');
  await port.report(workerReport({ sequence: 2, sentAt: Date.now(), released: { [stream!]: number! } }));
  await clock.advance(2_000);
  t.is(permits.length, 7, 'one was reported released');
  await end();
});

test.serial('two bridges share it', async (t) => {
  using clock = fakeClock();
  const port = new CapacityDouble('q');
  await alive(port);
  const [one, other] = [setup(port, 'shop'), setup(port, 'stock')];
  one.want(10);
  await clock.advance(100);
  other.want(10);
  await clock.advance(1_000);
  t.is(one.permits.length + other.permits.length, 6);
  for (const { permits } of [one, other]) for (const permit of permits.splice(0)) permit.release('settled');
  await clock.advance(4_000);
  t.true(one.permits.length > 0 && other.permits.length > 0);
  t.true(one.permits.length + other.permits.length <= 6);
  await one.end();
  await other.end();
});

test.serial(
  'without an answer it uses its part of the minimum, counted against the backlog; what has a cap waits',
  async (t) => {
    using clock = fakeClock();
    const { port, permits, want, lost, backlog, end } = setup();
    port.worked = false;
    want(10);
    want(2, 'capped');
    want(2, 'typed', 'slow');
    await clock.advance(9_000);
    t.is(permits.length, 0, 'somebody may answer yet, and know of a pause');
    await clock.advance(5_000);
    t.is(permits.length, 3);
    t.is(lost.length, 1);
    t.true(permits.every(({ slots, route }) => slots.length === 0 && route === 'free'));
    backlog.backlog = 3; // they were started
    for (const permit of permits) permit.release('settled');
    await clock.advance(10_000);
    t.is(permits.length, 3);
    backlog.backlog = 1; // workers took two
    await clock.advance(5_000);
    t.is(permits.length, 5);
    port.worked = true;
    await alive(port);
    backlog.backlog = 0;
    await clock.advanceUntil(() => permits.some(({ slots }) => slots.length > 0), 10_000);
    await end();
  },
);

test.serial('caps of a route and of a workflow type hold, and others go on', async (t) => {
  using clock = fakeClock();
  const { port, permits, want, end } = setup();
  await alive(port);
  want(5, 'capped');
  want(5, 'typed', 'slow');
  want(5);
  await clock.advance(2_000);
  const count = (route: string) => permits.filter((permit) => permit.route === route).length;
  t.is(count('capped'), 1);
  t.is(count('typed'), 2);
  t.is(count('free'), 3);
  await end();
});

test.serial('what needs no slot takes none: quarantines, and workflows of other task queues', async (t) => {
  using clock = fakeClock();
  const { port, permits, want, end } = setup();
  port.worked = false;
  want(20, 'elsewhere');
  want(20, 'free', 'work', { slotless: true });
  await turn(3);
  t.is(permits.length, 40);
  t.is(port.requests.length, 0);
  await clock.advance(1_000);
  await end();
});

test.serial(
  'an operator pauses the subscription, and it goes on when resumed, without a record that would ask',
  async (t) => {
    using clock = fakeClock();
    const { port, permits, want, admission, loop, end } = setup();
    await alive(port);
    await port.change({ who: 'ann', why: '', action: 'pause', scope: 'shop' }, 100);
    want(2);
    await clock.advance(500);
    t.deepEqual(admission.state().holds, ['paused']);
    t.deepEqual(loop.state().paused, ['shop']);
    const before = permits.length;
    want(2);
    await clock.advance(10_000);
    t.is(permits.length, before);
    await port.change({ who: 'ann', why: '', action: 'resume', scope: 'shop' }, 100);
    await clock.advance(2_500);
    t.is(permits.length, 4);
    await end();
  },
);

test.serial(
  'a terminated capacity workflow is started anew, and told what operators had decided',
  async (t) => {
    using clock = fakeClock();
    const { port, permits, want, holds, end } = setup();
    await alive(port);
    await port.change({ who: 'ann', why: '', action: 'pause', scope: 'shop/free' }, 100);
    want(1, 'typed', 'slow');
    await clock.advance(500);
    t.is(holds.all.length, 1);
    port.terminate();
    await clock.advance(5_000);
    t.like(await port.view(100), { settings: { pauses: { 'shop/free': { who: 'ann' } } } });
    t.is(holds.all.length, 1);
    t.is(permits.length, 1);
    await end();
  },
);

test.serial('closed it has given everything back', async (t) => {
  using clock = fakeClock();
  const { port, permits, want, end } = setup();
  await alive(port);
  want(4);
  await clock.advance(1_000);
  for (const permit of permits) permit.release('returned');
  await end();
  t.like(await port.view(100), { inFlight: 0 });
  t.true(port.requests.at(-1)?.ends);
});

test.serial(
  'while Temporal is away it starts nothing that it was not lent, but for the minimum',
  async (t) => {
    using clock = fakeClock();
    const { port, permits, want, end } = setup();
    await alive(port);
    port.fault = new TemporalFault('systemic', 'away');
    want(10);
    await clock.advance(20_000);
    t.is(permits.length, 3);
    await end();
  },
);

test("a queue's own task is no record's, where nobody polls it", async (t) => {
  const port = new TemporalDouble();
  const seen = recordsOnly(port, 'q');
  for (const [queue, count, counted] of [
    ['q-ktb', 1, 0],
    ['q-ktb', 11, 10],
    ['q', 3, 3],
  ] as const) {
    port.setBacklog(queue, count);
    t.is((await seen.backlog(queue)).count, counted);
  }
  port.polled = true;
  port.setBacklog('q-ktb', 4);
  t.is((await seen.backlog('q-ktb')).count, 4);
});
