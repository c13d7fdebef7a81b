import test from 'ava';
import { SdkCapacityPort } from '../../bridge/temporal/sdk-capacity-port.js';
import { capacityWorkflowId, type CapacityView } from '../../workflows/capacity/contract.js';
import { createScene, keyed, type Scene, type SceneOptions, type WorkEvent } from '../faults/scene.js';
import type { StartedProcess } from '../faults/process.js';
import { plainTemporal } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const LIMIT = 6;
const FIXED = `capacity: { limit: 'fixed', initial: ${LIMIT}, minimum: 3, maximum: ${LIMIT}, slotLeaseMs: 20_000 },`;

/** A scene and what stands around its capacity workflow. */
interface Stage extends AsyncDisposable {
  readonly scene: Scene;
  readonly port: SdkCapacityPort;
  view(accept: (view: CapacityView) => boolean, what: string): Promise<CapacityView>;
  send(count: number, event: WorkEvent, options?: { prefix?: string; header?: string }): Promise<void>;
  completed(count: number): Promise<void>;
  /** The most executions that were open at once, by Temporal's own times. */
  mostOpen(query?: string): Promise<number>;
}

async function stage(options: SceneOptions = {}): Promise<Stage> {
  const scene = await createScene({ partitions: 4, config: FIXED, ...options });
  const port = new SdkCapacityPort(plainTemporal(scene.stack.temporal, scene.taskQueue));
  return {
    scene,
    port,
    view: async (accept, what) =>
      (await until(() => port.view(5_000).catch(() => undefined), {
        what,
        timeoutMs: 60_000,
        accept: (seen) => seen !== undefined && accept(seen),
      }))!,
    send: async (count, event, { prefix = 'k', header } = {}) => {
      await scene.produce(
        Array.from({ length: count }, (_, n) => {
          const record = keyed(`${prefix}${n}`, { n, ...event }, n % (options.partitions ?? 4));
          return header === undefined
            ? record
            : { ...record, headers: { ...record.headers, 'event-type': header } };
        }),
      );
    },
    completed: async (count) => {
      await until(async () => (await scene.executions('ExecutionStatus = "Completed"')).length, {
        what: `${count} completed executions`,
        timeoutMs: 150_000,
        accept: (seen) => seen >= count,
      });
    },
    mostOpen: async (query) => {
      const all = await scene.executions(query);
      const changes = all.flatMap(({ startTime, closeTime, memo }) => {
        const slot = (memo?.['slot'] as string | undefined) ?? 'without';
        return [
          { at: startTime.getTime(), slot, begins: true },
          { at: closeTime?.getTime() ?? Number.POSITIVE_INFINITY, slot, begins: false },
        ];
      });
      const open: string[] = [];
      let most: string[] = [];
      for (const { slot, begins } of changes.sort(
        (a, b) => a.at - b.at || Number(a.begins) - Number(b.begins),
      )) {
        if (begins) open.push(slot);
        else open.splice(open.indexOf(slot), 1);
        if (open.length > most.length) most = [...open];
      }
      if (most.length > LIMIT) console.log(`open at once: ${most.join(' ')}`);
      return most.length;
    },
    [Symbol.asyncDispose]: async () => {
      await port.close();
      await scene[Symbol.asyncDispose]();
    },
  };
}

/** How many executions there are, when visibility has said so a few times in a row. */
async function settledCount(scene: Scene): Promise<number> {
  let [last, times] = [-1, 0];
  return until(async () => (await scene.executions()).length, {
    what: 'a count that stays',
    everyMs: 250,
    accept: (count) => {
      times = count === last ? times + 1 : 0;
      last = count;
      return times >= 4;
    },
  });
}

/** How many records each of these bridges has started, by its own count. */
const startedBy = (bridges: readonly StartedProcess[]): number[] =>
  bridges.map(({ stderr }) => Number([...stderr.matchAll(/"started":(\d+)/g)].at(-1)?.[1] ?? 0));

test.serial(
  'two bridges share one limit: never more than it are open, and both get their share',
  async (t) => {
    t.timeout(240_000);
    await using own = await stage();
    const { scene } = own;
    scene.worker();
    await own.send(1, {}, { prefix: 'first' });
    const bridges = [scene.bridge('bridge-a'), scene.bridge('bridge-b')];
    await own.completed(1);
    await own.send(80, { sleepMs: 200 });
    await own.completed(81);
    const most = await own.mostOpen();
    t.true(most <= LIMIT * 1.1, `${most} open at once`);
    t.true(most > LIMIT / 2, `${most} open at once: the limit is used`);
    t.true(
      startedBy(bridges).every((count) => count > 0),
      startedBy(bridges).join(),
    );
    const view = await own.view(({ inFlight }) => inFlight === 0, 'every slot to be back');
    t.is(view.limit, LIMIT);
  },
);

test.serial(
  'without a worker a bridge starts the minimum at most and holds; when one comes it goes on',
  async (t) => {
    t.timeout(240_000);
    await using own = await stage();
    const { scene } = own;
    const bridge = scene.bridge();
    await own.send(40, { sleepMs: 50 });
    await bridge.waitForOutput(/the capacity workflow does not answer/);
    await until(async () => (await scene.executions()).length, {
      what: 'the minimum to be started',
      accept: (count) => count >= 3,
    });
    // It looks at the backlog twice a second, and would go on within a look if it did.
    let looks = 0;
    await until(async () => ++looks && (await scene.executions()).length, {
      what: 'it to stand there for a while',
      everyMs: 200,
      accept: (count) => count > 3 || looks > 20,
    });
    t.is((await scene.executions()).length, 3);
    scene.worker();
    await own.completed(40);
    t.true((await own.mostOpen('WorkflowId != "none"')) <= LIMIT + 3);
  },
);

test.serial(
  'the capacity workflow is terminated under way: it goes on, the limit holds, and what operators have decided stays',
  async (t) => {
    t.timeout(240_000);
    await using own = await stage({
      routes: `[{ id: 'paused', topic: TOPIC, eventType: 'paused', workflow: 'work' }, { id: 'work', topic: TOPIC, workflow: 'work' }]`,
    });
    const { scene, port } = own;
    scene.worker();
    scene.bridge();
    await own.send(4, {}, { prefix: 'first' });
    await own.completed(4);
    await port.change(
      { who: 'ann', why: 'ticket 812', action: 'pause', scope: `${scene.name}/paused` },
      5_000,
    );
    await port.change({ who: 'ann', why: '', action: 'limit', limit: 5 }, 5_000);
    await own.send(100, { sleepMs: 200 });
    const decidedAt = Date.now();
    await own.view(
      ({ inFlight, bridges }) =>
        inFlight > 0 && bridges.some(({ agoMs }) => Date.now() - agoMs > decidedAt + 1_000),
      'the bridge to be at work, and to have heard of it',
    );
    for (let round = 0; round < 2; round++) {
      await scene.client.workflow.getHandle(capacityWorkflowId(scene.taskQueue)).terminate('test');
      await own.view(({ bridges }) => bridges.length > 0, 'the bridge to ask again');
    }
    await own.completed(104);
    const view = await own.view(({ inFlight }) => inFlight === 0, 'every slot to be back');
    t.is(view.settings.limit?.value, 5);
    t.like(view.settings.pauses[`${scene.name}/paused`], { who: 'ann', why: 'ticket 812' });
  },
);

test.serial('a pause holds a subscription, outlives its restart, and ends when it is resumed', async (t) => {
  t.timeout(240_000);
  await using own = await stage();
  const { scene, port } = own;
  scene.worker();
  const first = scene.bridge('bridge-1');
  await own.send(4, {}, { prefix: 'first' });
  await own.completed(4);
  await port.change({ who: 'ann', why: '', action: 'pause', scope: scene.name }, 5_000);
  await own.send(10, {});
  await first.waitForOutput(/"gates":\["paused"\]/);
  const before = await settledCount(scene); // what it was lent before it heard of the pause it may have used
  await first.term();
  const second = scene.bridge('bridge-2');
  await second.waitForOutput(/"gates":\["paused"\]/);
  t.is(await settledCount(scene), before);
  t.true(before < 14);
  await port.change({ who: 'ann', why: '', action: 'resume', scope: scene.name }, 5_000);
  await own.completed(14);
});

for (const [what, config] of [
  [
    'a route',
    {
      routes: `[{ id: 'capped', topic: TOPIC, eventType: 'capped', workflow: 'work', maxInFlight: 2 }, { id: 'free', topic: TOPIC, workflow: 'other' }]`,
    },
  ],
  [
    'a workflow type',
    {
      routes: `[{ id: 'capped', topic: TOPIC, eventType: 'capped', workflow: 'work' }, { id: 'free', topic: TOPIC, workflow: 'other' }]`,
      config: `${FIXED} workflowTypes: { work: { maxInFlight: 2 } },`,
    },
  ],
] as const) {
  test.serial(`maxInFlight of ${what} holds across two bridges, and others go on meanwhile`, async (t) => {
    t.timeout(240_000);
    await using own = await stage({
      workflows: `
import { proxyActivities } from '@temporalio/workflow';
import { plainTemporal } from '../helpers/temporal.js';
const { handle } = proxyActivities({ startToCloseTimeout: '30s' });
export async function work(event, record) { return handle(event, record); }
export async function other(event, record) { return handle(event, record); }
`,
      ...config,
      partitions: 8,
    });
    const { scene } = own;
    scene.worker();
    const bridges = [scene.bridge('bridge-a'), scene.bridge('bridge-b')];
    await scene.produce(Array.from({ length: 8 }, (_, n) => keyed(`first${n}`, {}, n)));
    await own.completed(8);
    for (const bridge of bridges) await bridge.waitForOutput('partitions were assigned');
    const begun = Date.now();
    // Partitions of their own: in one partition a record waits behind those before it.
    const capped = Array.from({ length: 24 }, (_, n) => ({
      ...keyed(`capped${n}`, { n, sleepMs: 300 }, n % 4),
      headers: { 'idempotency-key': `capped${n}`, 'event-type': 'capped' },
    }));
    const free = Array.from({ length: 24 }, (_, n) => keyed(`free${n}`, { n, sleepMs: 50 }, 4 + (n % 4)));
    await scene.produce([...capped, ...free]);
    await own.completed(56);
    t.is(await own.mostOpen('WorkflowType = "work"'), 2);
    const lastOf = async (type: string) =>
      Math.max(
        ...(await scene.executions(`WorkflowType = "${type}"`)).map(({ closeTime }) => closeTime!.getTime()),
      );
    t.true((await lastOf('other')) < (await lastOf('work')), 'the others did not wait');
    const most = await own.mostOpen(`StartTime >= "${new Date(begun).toISOString()}"`);
    t.true(most <= LIMIT * 1.1, `${most} open at once`);
  });
}

test.serial(
  'a bridge that is killed gives nothing back by itself: its slots come back all the same',
  async (t) => {
    t.timeout(240_000);
    await using own = await stage();
    const { scene } = own;
    scene.worker();
    const victim = scene.bridge('victim');
    await own.send(30, { sleepMs: 400 });
    await own.view(({ inFlight }) => inFlight === LIMIT, 'the limit to be used up');
    await victim.kill();
    scene.bridge('heir');
    await own.completed(30);
    t.is((await scene.executions()).length, 30);
    const view = await own.view(({ inFlight }) => inFlight === 0, 'every slot to be back');
    t.is(view.limit, LIMIT);
    t.true((await own.mostOpen()) <= LIMIT * 1.1, `${await own.mostOpen()}`);
  },
);
