import test from 'ava';
import { killLoop, seededRandom, type Strike, type Victim } from './kill-loop.js';
import { startProcess } from './process.js';

interface Fake extends Victim {
  readonly signals: string[];
}

function fake(name: string): Fake {
  const signals: string[] = [];
  return { name, signals, exited: Promise.resolve(), signal: (signal) => signals.push(signal) };
}

const atOnce = async (): Promise<void> => {};

async function plan(seed: number): Promise<{ victims: string[]; pauses: number[] }> {
  const targets = ['a', 'b', 'c'].map(fake);
  const pauses: number[] = [];
  const loop = killLoop({
    seed,
    everyMs: [5000, 15_000],
    times: 20,
    targets: () => targets,
    revive: () => {},
    sleep: async (ms) => void pauses.push(ms),
  });
  return { victims: (await loop.done).map(({ victim }) => victim), pauses };
}

test('a seed repeats victims and pauses; another draws others', async (t) => {
  const [first, same, other] = [await plan(7), await plan(7), await plan(8)];
  t.deepEqual(first, same);
  t.notDeepEqual(first, other);
  t.deepEqual([...new Set(first.victims)].sort(), ['a', 'b', 'c']);
  t.true(first.pauses.every((ms) => ms >= 5000 && ms <= 15_000));
});

test('a victim is killed, waited for, and then revived', async (t) => {
  const events: string[] = [];
  const victim: Victim = {
    name: 'bridge',
    signal: (name) => events.push(name),
    get exited() {
      events.push('exited');
      return Promise.resolve();
    },
  };
  const told: Strike[] = [];
  const loop = killLoop({
    seed: 1,
    everyMs: [0, 0],
    times: 2,
    targets: () => [victim],
    revive: ({ name }) => events.push(`revive ${name}`),
    onStrike: (strike) => told.push(strike),
    sleep: atOnce,
  });
  const strikes = await loop.done;
  const once = ['SIGKILL', 'exited', 'revive bridge'];
  t.deepEqual(events, [...once, ...once]);
  t.deepEqual(
    strikes.map(({ victim: name, how }) => `${how} ${name}`),
    ['kill bridge', 'kill bridge'],
  );
  t.deepEqual(told, [...strikes]);
  t.deepEqual(loop.strikes, strikes);
});

test('a freeze is stopped and continued, not revived', async (t) => {
  const victim = fake('worker');
  const slept: number[] = [];
  const loop = killLoop({
    seed: 3,
    everyMs: [10, 10],
    times: 1,
    targets: () => [victim],
    revive: () => t.fail('nothing was killed'),
    freeze: { probability: 1, forMs: [500, 500] },
    sleep: async (ms) => void slept.push(ms),
  });
  const [strike] = await loop.done;
  t.deepEqual(victim.signals, ['SIGSTOP', 'SIGCONT']);
  t.is(strike?.how, 'freeze');
  t.deepEqual(slept, [10, 500]);
});

test('stop ends the pause at once', async (t) => {
  const loop = killLoop({
    seed: 1,
    everyMs: [3_600_000, 3_600_000],
    targets: () => [fake('a')],
    revive: () => {},
  });
  t.deepEqual(await loop.stop(), []);
});

test('stop in a freeze continues the victim first', async (t) => {
  const victim = fake('a');
  const loop = killLoop({
    seed: 1,
    everyMs: [0, 0],
    targets: () => [victim],
    revive: () => {},
    freeze: { probability: 1, forMs: [3_600_000, 3_600_000] },
    sleep: async (ms, signal) => {
      if (ms === 0) return;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  });
  while (!victim.signals.includes('SIGSTOP')) await new Promise((next) => setImmediate(next));
  t.is((await loop.stop()).length, 1);
  t.deepEqual(victim.signals, ['SIGSTOP', 'SIGCONT']);
});

test('without a target the turn is passed and not counted', async (t) => {
  const victim = fake('late');
  let turn = 0;
  const loop = killLoop({
    seed: 1,
    everyMs: [0, 0],
    times: 1,
    targets: () => (++turn < 4 ? [] : [victim]),
    revive: () => {},
    sleep: atOnce,
  });
  t.is((await loop.done).length, 1);
  t.is(turn, 4);
});

test('what revive throws is told by done and by stop', async (t) => {
  const revive = (): void => {
    throw new Error('it does not start again');
  };
  const loop = killLoop({ seed: 1, everyMs: [0, 0], targets: () => [fake('a')], revive, sleep: atOnce });
  await t.throwsAsync(loop.done, { message: 'it does not start again' });
  await t.throwsAsync(loop.stop(), { message: 'it does not start again' });
});

test('real processes are killed and started anew', async (t) => {
  const start = () =>
    startProcess({ name: 'sleeper', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] });
  let sleeper = start();
  const pids = new Set([sleeper.pid]);
  const loop = killLoop({
    seed: 5,
    everyMs: [1, 20],
    times: 3,
    targets: () => [sleeper],
    revive: () => {
      sleeper = start();
      pids.add(sleeper.pid);
    },
  });
  t.teardown(() => sleeper.kill());
  t.is((await loop.done).length, 3);
  t.is(pids.size, 4);
  t.true(sleeper.running);
});

test('the generator is even enough', (t) => {
  const random = seededRandom(42);
  const buckets = [0, 0, 0, 0];
  for (let n = 0; n < 4000; n++) buckets[Math.floor(random() * 4)]!++;
  t.true(
    buckets.every((count) => count > 850 && count < 1150),
    buckets.join(),
  );
});
