import test, { type ExecutionContext } from 'ava';
import { CapacityLedger } from '../../bridge/worker-report/capacity-ledger.js';
import {
  CapacityReporter,
  type CapacityReporterOptions,
} from '../../bridge/worker-report/capacity-reporter.js';
import type { WorkerReport } from '../../workflows/capacity/contract.js';
import { fakeClock, turn, type FakeClock } from '../helpers/doubles/clock.js';

const slot = (number: number) => ({ stream: 'bridge.0', number });

interface Scene extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly ledger: CapacityLedger;
  readonly reporter: CapacityReporter;
  readonly reports: WorkerReport[];
  readonly said: string[];
  /** What the next reports meet. */
  refuse: (() => Promise<void>) | undefined;
}

/** A reporter that has said that it is there. */
async function begun(options: Partial<CapacityReporterOptions> = {}, total = 100): Promise<Scene> {
  const clock = fakeClock();
  const ledger = new CapacityLedger();
  const reports: WorkerReport[] = [];
  const said: string[] = [];
  const say = (_: object, message: string) => void said.push(message);
  const reporter = new CapacityReporter({
    ledger,
    port: {
      report: async (report) => {
        reports.push(report);
        await scene.refuse?.();
      },
    },
    worker: 'w1',
    identity: '1@host',
    slots: () => ({ total, free: total - ledger.calls }),
    pressing: { released: 25, calls: 5 },
    logger: { warn: say, info: say } as never,
    now: () => Date.now(),
    ...options,
  });
  const scene: Scene = {
    clock,
    ledger,
    reporter,
    reports,
    said,
    refuse: undefined,
    async [Symbol.asyncDispose]() {
      scene.refuse = undefined;
      await reporter.close();
      clock[Symbol.dispose]();
    },
  };
  reporter.start();
  await turn(3);
  reports.length = 0;
  return scene;
}

const until = async (scene: Scene, count: number) =>
  scene.clock.advanceUntil(() => scene.reports.length >= count);
const near = (t: ExecutionContext, ms: number, expected: number) =>
  t.true(Math.abs(ms - expected) <= 100, `${ms} ms`);

test.serial('the first report goes out at once; without a change one follows in 30 s', async (t) => {
  await using scene = await begun();
  near(t, await until(scene, 1), 30_000);
  t.like(scene.reports[0], { sequence: 2, worker: 'w1', identity: '1@host', others: 0, pressure: [] });
});

test.serial('what was released is told within a second, and at most once in it', async (t) => {
  await using scene = await begun();
  await scene.clock.advance(10_000);
  t.is(scene.reports.length, 0);
  scene.ledger.released(slot(1));
  await turn(3);
  t.deepEqual(scene.reports[0]?.released, { 'bridge.0': '1' }, 'at once, after a quiet time');
  for (let number = 2; number < 20; number++) {
    scene.ledger.released(slot(number));
    await scene.clock.advance(50);
  }
  t.is(scene.reports.length, 1);
  await scene.clock.advance(150);
  t.is(scene.reports.length, 2);
  t.deepEqual(scene.reports[1]?.released, { 'bridge.0': '2-19' });
});

test.serial('a busy worker tells twice a second, and never more often', async (t) => {
  await using scene = await begun();
  for (let number = 0; number < 5; number++) scene.ledger.callBegan(slot(number));
  for (let number = 100; number < 300; number++) {
    scene.ledger.released(slot(number));
    await scene.clock.advance(50);
  }
  t.true(scene.reports.length >= 18 && scene.reports.length <= 20, `${scene.reports.length} in 10 s`);
});

test.serial('many that were released are worth a report before the second is over', async (t) => {
  await using scene = await begun();
  for (let number = 0; number < 25; number++) scene.ledger.released(slot(number));
  near(t, await until(scene, 1), 500);
});

test.serial(
  'what runs for a second is told, and then every 5 s; and that nothing does any more',
  async (t) => {
    await using scene = await begun();
    await scene.clock.advance(10_000);
    scene.ledger.callBegan(slot(3));
    near(t, await until(scene, 1), 1_000);
    t.deepEqual(scene.reports[0]?.running, { 'bridge.0': '3' });
    near(t, await until(scene, 2), 5_000);
    scene.ledger.callEnded(slot(3)); // its workflow goes on
    near(t, await until(scene, 3), 5_000);
    t.like(scene.reports[2], { running: {}, released: {} });
    near(t, await until(scene, 4), 30_000);
  },
);

test.serial('what is over within a second is told once', async (t) => {
  await using scene = await begun();
  await scene.clock.advance(10_000);
  scene.ledger.callBegan(slot(3));
  await scene.clock.advance(100);
  scene.ledger.callEnded(slot(3));
  scene.ledger.released(slot(3));
  await scene.clock.advance(10_000);
  t.is(scene.reports.length, 1);
});

test.serial('that the last activity slot is taken, and that one is free again, is told soon', async (t) => {
  await using scene = await begun({}, 2);
  scene.ledger.callBegan(slot(1));
  scene.ledger.callBegan(slot(2));
  near(t, await until(scene, 1), 500);
  t.is(scene.reports[0]?.slots.free, 0);
  scene.ledger.callEnded(slot(2));
  near(t, await until(scene, 2), 500);
  t.is(scene.reports[1]?.slots.free, 1);
});

test.serial('pressure of the machine is told soon, where something runs', async (t) => {
  let pressure: string[] = [];
  await using scene = await begun({ pressure: () => pressure });
  scene.ledger.callBegan(slot(1));
  await scene.clock.advance(1_500);
  scene.reports.length = 0;
  pressure = ['memory'];
  const ms = await until(scene, 1);
  t.true(ms <= 1_050, `${ms} ms`);
  t.deepEqual(scene.reports[0]?.pressure, ['memory']);
});

test.serial('a report that was lost is made good by the next one; its loss is said once', async (t) => {
  await using scene = await begun();
  scene.refuse = async () => Promise.reject(new Error('14 UNAVAILABLE'));
  scene.ledger.released(slot(1));
  await until(scene, 1);
  scene.ledger.released(slot(2));
  await until(scene, 3);
  t.deepEqual(scene.reports[2]?.released, { 'bridge.0': '1-2' });
  scene.refuse = undefined;
  await until(scene, 4);
  t.deepEqual(scene.reports[3]?.released, { 'bridge.0': '1-2' });
  scene.ledger.released(slot(3));
  await until(scene, 5);
  t.deepEqual(scene.reports[4]?.released, { 'bridge.0': '3' });
  const sequences = scene.reports.map(({ sequence }) => sequence);
  t.deepEqual(sequences, [2, 3, 4, 5, 6]);
  t.is(scene.said.length, 2, scene.said.join('; '));
  t.regex(scene.said[0]!, /could not be reported/);
  t.regex(scene.said[1]!, /reported again/);
});

test.serial('a server that refuses is not hammered: at last it is asked every 5 s', async (t) => {
  await using scene = await begun();
  scene.refuse = async () => Promise.reject(new Error('7 PERMISSION_DENIED'));
  for (let number = 0; number < 200; number++) {
    scene.ledger.released(slot(number));
    await scene.clock.advance(1_000);
  }
  t.true(scene.reports.length <= 43, `${scene.reports.length} in 200 s`);
  t.is(scene.said.length, 1);
});

test.serial(
  'one that goes says so in a last report, with what is left, after the one under way',
  async (t) => {
    await using scene = await begun();
    let answer!: () => void;
    scene.refuse = () => new Promise<void>((resolve) => (answer = resolve));
    scene.ledger.released(slot(1));
    await until(scene, 1);
    scene.ledger.released(slot(2));
    const closed = scene.reporter.close();
    t.is(scene.reporter.close(), closed);
    await turn(3);
    t.is(scene.reports.length, 1);
    scene.refuse = undefined;
    answer();
    await closed;
    t.is(scene.reports.length, 2);
    t.like(scene.reports[1], { ends: true, released: { 'bridge.0': '2' } });
    scene.ledger.released(slot(3));
    await scene.clock.advance(60_000);
    t.is(scene.reports.length, 2, 'and nothing after it');
  },
);

test.serial('a server that does not answer holds the end up for 2 s only', async (t) => {
  await using scene = await begun();
  scene.refuse = () => new Promise<void>(() => undefined);
  let closed = false;
  void scene.reporter.close().then(() => (closed = true));
  near(t, await scene.clock.advanceUntil(() => closed), 2_000);
  t.is(scene.reports.at(-1)?.ends, true);
  t.deepEqual(scene.said, []);
});

test.serial('the cost at 30 records a second of 50 ms: about one report a second', async (t) => {
  await using scene = await begun();
  for (let number = 0; number < 300; number++) {
    scene.ledger.callBegan(slot(number));
    if (number > 0) {
      scene.ledger.callEnded(slot(number - 1));
      scene.ledger.released(slot(number - 1));
    }
    await scene.clock.advance(33);
  }
  t.log(`${scene.reports.length} reports in ${(300 * 33) / 1000} s`);
  t.true(scene.reports.length <= 13, `${scene.reports.length}`);
});
