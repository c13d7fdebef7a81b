import test from 'ava';
import { capacityLine, showCapacity } from '../../bridge/cli/capacity-view.js';
import { CapacityWatch } from '../../bridge/cli/capacity-watch.js';
import type { CapacityLook, CapacitySilence } from '../../bridge/operate/capacity.js';
import { until } from '../helpers/until.js';
import { written } from '../helpers/written.js';
import { LIMIT_DEFAULTS } from '../../workflows/capacity/contract.js';

const AT = Date.parse('2026-11-24T06:05:24Z');

function look(fields: Partial<Extract<CapacityLook, { answers: true }>> = {}): CapacityLook {
  return {
    answers: true,
    taskQueue: 'orders',
    limit: 90,
    options: LIMIT_DEFAULTS,
    inFlight: 42,
    circuit: 'closed',
    responseMs: 120.4,
    waitMs: null,
    backlog: 3,
    workers: [
      {
        worker: 'w1',
        identity: '17@host',
        alive: true,
        agoMs: 400,
        running: 5,
        slots: { total: 100, free: 95 },
        pressure: ['cpu', 'memory'],
      },
      {
        worker: 'w2',
        identity: '18@host\u001b[2J',
        alive: false,
        agoMs: 90_000,
        running: 0,
        slots: { total: 100, free: 100 },
        pressure: [],
      },
    ],
    bridges: [
      {
        bridge: 'b1',
        identity: 'ktb@other:1',
        name: 'refunds',
        leases: false,
        agoMs: 9_000,
        inFlight: 0,
        demand: 0,
      },
      {
        bridge: 'b2',
        identity: 'ktb@host:2',
        name: 'orders',
        leases: true,
        agoMs: 300,
        inFlight: 42,
        demand: 7,
      },
    ],
    caps: { 'type:chargeCard': { limit: 5, inFlight: 5 } },
    heldBy: ['type:chargeCard: 5 in work, at most 5.'],
    settings: { version: 0, limit: null, pauses: {} },
    changes: [{ at: AT, limit: 90, why: 'slow' }],
    ...fields,
  };
}

const SILENCE: CapacitySilence = {
  answers: false,
  taskQueue: 'orders',
  reason: 'There is no capacity workflow for orders.',
  queues: [
    { taskQueue: 'orders', backlog: 7, pollers: [] },
    { taskQueue: 'orders-ktb', backlog: 0, pollers: [] },
  ],
};

const pause = { value: true, who: 'ann@host', why: 'the bank is down', at: AT } as const;

test.serial('all of it stands on one screen, the own subscription first', async (t) => {
  const { out } = await written({}, () => showCapacity(look(), 'orders'));
  const collapsed = out.split('\n').map((line) => line.replace(/ {2,}/g, '  '));
  t.deepEqual(collapsed, [
    'orders  42 in flight of 90, circuit closed',
    '  limit  90, aimd, 10 to 200',
    '  response  120 ms (mean); waiting for a worker -',
    '  backlog  3 tasks wait for a worker',
    '  held by  type:chargeCard: 5 in work, at most 5.',
    '  cap  type:chargeCard: 5 of 5',
    '',
    'WORKER  REPORTED  RUNNING  FREE  PRESSURE',
    '17@host  0.4 s ago  5  95 of 100  cpu, memory',
    '18@host [2J  gone, 90 s ago  0  100 of 100  -',
    '',
    'BRIDGE  SUBSCRIPTION  LEASE  IN FLIGHT  WANTS',
    'ktb@host:2  orders  0.3 s ago  42  7',
    'ktb@other:1  refunds  none, asked 9.0 s ago  0  0',
    '',
    'CHANGED  LIMIT  WHY',
    '2026-11-24 06:05:24  90  slow',
    '',
  ]);
});

test.serial('who set or paused what, since when and why', async (t) => {
  const settings = { version: 2, limit: { ...pause, value: 7 }, pauses: { 'orders/paid': pause } };
  const { out } = await written({}, () => showCapacity(look({ settings, limit: 7 }), 'orders'));
  t.regex(out, /limit +7, set by ann@host since 2026-11-24 06:05:24: the bank is down\n/);
  t.regex(out, /paused +orders\/paid, by ann@host since 2026-11-24 06:05:24: the bank is down\n/);
});

test.serial('without a worker: why, what Temporal knows, and what to do', async (t) => {
  const { out } = await written({}, () => showCapacity(SILENCE, 'orders'));
  t.regex(out, /^There is no capacity workflow for orders\.\n {2}orders: 7 tasks wait, nobody polls\n/);
  t.regex(out, /Start a worker \(ktb worker\)/);
  const busy = { ...SILENCE, queues: [{ taskQueue: 'orders', backlog: 7, pollers: ['1@a', '2@b'] }] };
  const { out: other } = await written({}, () => showCapacity(busy, 'orders'));
  t.regex(other, /polled by 1@a, 2@b\n/);
  t.notRegex(other, /Start a worker/);
});

test('a line says what a screen does, and nothing in it moves the cursor', (t) => {
  t.is(
    capacityLine(look()),
    'limit 90 (aimd, 10 to 200), in flight 42, circuit closed, response 120 ms, wait -, backlog 3, workers 1, bridges 1, ' +
      'held by: type:chargeCard: 5 in work, at most 5.',
  );
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  t.notRegex(capacityLine(look({ heldBy: ['\u001b[2J\nx'] })), /[\u0000-\u001f]/);
});

/** Looks that come one after another; the last one stops the watch. */
async function watched(
  looks: readonly (CapacityLook | Error)[],
  options: { json?: boolean; stdout?: boolean },
) {
  const stop = new AbortController();
  let index = 0;
  let answered: boolean | undefined;
  const streams = await written({ stdout: options.stdout ?? false, env: { NO_COLOR: '1' } }, async () => {
    const watch = new CapacityWatch({
      name: 'orders',
      json: options.json ?? false,
      everyMs: 1,
      look: async () => {
        const now = looks[Math.min(index++, looks.length - 1)]!;
        if (now instanceof Error) throw now;
        return now;
      },
    });
    const running = watch.run(stop.signal).then((answers) => (answered = answers));
    await until(() => index > looks.length, { what: 'the last look', everyMs: 2 });
    stop.abort();
    await running;
  });
  return { ...streams, answered };
}

test.serial(
  'in a pipe a change is a line, with its time, and what fails is said and looked for again',
  async (t) => {
    const { out, err, answered } = await watched(
      [look(), look(), new Error('refused'), new Error('refused'), look({ limit: 95 }), look({ limit: 95 })],
      {},
    );
    const lines = out.trimEnd().split('\n');
    t.is(lines.length, 2, out);
    t.regex(lines[0]!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d limit 90 /);
    t.regex(lines[1]!, / limit 95 /);
    t.regex(err, /^\S+ \S+ refused\n$/);
    t.true(answered);
  },
);

test.serial('with --json a look is an object on a line, also where no worker answers', async (t) => {
  const { out, answered } = await watched([look(), SILENCE], { json: true, stdout: true });
  const objects = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as CapacityLook);
  t.true(objects.length >= 2);
  t.deepEqual([objects[0], objects[1]], [look(), SILENCE]);
  t.false(answered);
});

test.serial('on a terminal it is drawn anew from the top', async (t) => {
  const { out } = await watched([look(), look({ limit: 95 })], { stdout: true });
  const screens = out.split('\u001b[H\u001b[J').slice(1);
  t.true(screens.length >= 2);
  t.regex(screens[0]!, /^orders {2}42 in flight of 90/);
  t.regex(screens[1]!, /^orders {2}42 in flight of 95/);
});

test.serial('what fails at the first look ends it', async (t) => {
  const watch = new CapacityWatch({
    name: 'orders',
    json: false,
    look: () => Promise.reject(new Error('refused')),
  });
  await t.throwsAsync(watch.run(new AbortController().signal), { message: 'refused' });
});
