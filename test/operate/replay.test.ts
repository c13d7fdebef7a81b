import test from 'ava';
import { replay, type ReplayTools } from '../../bridge/operate/replay.js';
import type { ReplayOptions, ReplayPlan } from '../../bridge/operate/replay-report.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { fakeClock, type FakeClock } from '../helpers/doubles/clock.js';
import { all, Operated } from '../helpers/doubles/operated.js';

/** So many dead letters; their number stands in the key. */
function letters(it: Operated, count: number, prefix = 'r'): void {
  for (let index = 0; index < count; index++) it.record(`${prefix}${index}`);
}

/** A replay of all dead letters, with what a check of today's code would say. */
function replayed(it: Operated, options: ReplayOptions = {}, check: ReplayTools['check'] = fits) {
  const tools = { port: it.operator, check, taskQueue: 'orders' };
  return replay(tools, it.client.failed(), [], options);
}

async function* fits(cases: Parameters<ReplayTools['check']>[0]): ReturnType<ReplayTools['check']> {
  for await (const { workflowId } of cases) yield { workflowId, mismatch: undefined };
}

const resetsOf = ({ operator }: Operated) => operator.resets.map(({ workflowId }) => workflowId).toSorted();

/** Until it has ended, with all the time that it waits. */
async function underClock<T>(clock: FakeClock, work: Promise<T>, maxMs?: number): Promise<T> {
  let settled = false;
  work.then(
    () => (settled = true),
    () => (settled = true),
  );
  await clock.advanceUntil(() => settled, maxMs);
  return work;
}

test('it is asked once, with how many are ready, before anything changes', async (t) => {
  const it = new Operated();
  letters(it, 3);
  const asked: ReplayPlan[] = [];
  const report = await replayed(it, {
    confirm: async (plan) => {
      t.is(it.operator.resets.length, 0);
      asked.push(plan);
      return true;
    },
  });
  t.deepEqual(
    asked.map(({ ready }) => ready),
    [3],
  );
  t.true(report.confirmed);
  t.deepEqual(resetsOf(it), ['r0', 'r1', 'r2']);
});

test('no is no: nothing changes', async (t) => {
  const it = new Operated();
  letters(it, 2);
  const report = await replayed(it, { confirm: async () => false });
  t.like(report, { confirmed: false, ready: 2, replayed: [], jobs: [] });
  t.is(it.operator.resets.length, 0);
});

test('a dry run names the event of each, asks nothing and changes nothing', async (t) => {
  const it = new Operated();
  letters(it, 2);
  const confirm = async () => t.fail() as never;
  const report = await replayed(it, { dryRun: true, confirm });
  t.deepEqual(
    report.entries.map(({ eventId, readiness }) => [eventId, readiness]),
    [
      [10, 'ready'],
      [10, 'ready'],
    ],
  );
  t.is((await replayed(it, { dryRun: true, from: 'start' })).entries[0]?.eventId, 4);
  t.is(it.operator.resets.length, 0);
});

test('where there is nothing to replay, nobody is asked', async (t) => {
  const report = await replayed(new Operated(), { confirm: async () => t.fail() as never });
  t.like(report, { entries: [], ready: 0, confirmed: false });
});

test('each is reset to the step that failed, with who and why in its history', async (t) => {
  const it = new Operated();
  it.record('a');
  it.mended = true;
  const report = await replayed(it, { why: 'ticket 812 by ann', reapply: 'signals', waitMs: 1 });
  t.like(it.operator.resets[0], {
    workflowId: 'a',
    eventId: 10,
    reason: 'ticket 812 by ann',
    reapply: 'signals',
  });
  const { runId } = it.operator.current('a');
  t.deepEqual(report.replayed, [{ workflowId: 'a', runId, state: 'completed', reason: undefined }]);
  it.record('b', { steps: [{ call: 'refuses' }] });
  await replayed(it);
  t.regex(it.operator.resets[1]!.reason, /^ktb replay by .+/);
});

test('what fails again is said, with its reason', async (t) => {
  const it = new Operated();
  it.record('a');
  const [one] = (await replayed(it)).replayed;
  t.like(one, { workflowId: 'a', state: 'failed', reason: 'the cause of a is not mended' });
  t.is(one?.runId, it.operator.current('a').runId);
});

test('the same replay again makes no second run of what it has reset already', async (t) => {
  const it = new Operated();
  it.record('a', { steps: [{ hear: 1 }, { call: 'fails' }] });
  it.operator.tell('a', 1);
  const found = await all(it.client.failed());
  const tools = { port: it.operator, check: fits, taskQueue: 'orders' };
  const again = async function* () {
    yield* found;
  };
  await replay(tools, again(), [], { reapply: 'none', from: 'start' });
  const first = it.operator.current('a').runId;
  await replay(tools, again(), [], { reapply: 'none', from: 'start' });
  t.is(it.operator.current('a').runId, first);
});

test('our own workflows are replayed from their start, and their code is not tried', async (t) => {
  const it = new Operated();
  it.record('a', { workflowType: 'ktbActivityRoute', taskQueue: 'orders-ktb', route: 'paid', hinted: false });
  const report = await replayed(it, {}, () => t.fail() as never);
  t.is(report.entries[0]?.eventId, 4);
});

test('code that no longer fits a history is said, with what to do, and left out; the others are replayed', async (t) => {
  const it = new Operated();
  letters(it, 3);
  const lengths: number[] = [];
  const report = await replayed(it, {}, async function* (cases) {
    for await (const { workflowId, history } of cases) {
      lengths.push(history.events!.length);
      yield { workflowId, mismatch: workflowId === 'r1' ? 'Nondeterminism: a timer came' : undefined };
    }
  });
  t.deepEqual(lengths, [9, 9, 9], 'what a worker has seen before the event');
  const changed = report.entries.find(({ readiness }) => readiness === 'changed');
  t.is(changed?.letter.key, 'r1');
  t.regex(changed!.message!, /Nondeterminism: a timer came.*--from start/);
  t.is(report.ready, 2);
  t.deepEqual(resetsOf(it), ['r0', 'r2']);
});

test('from the start, and without a check, no code is tried', async (t) => {
  for (const options of [{ from: 'start' }, { check: false }] as const) {
    const it = new Operated();
    it.record('a');
    await replayed(it, options, () => t.fail() as never);
    t.deepEqual(resetsOf(it), ['a']);
  }
});

test('what no worker has picked up is left out, and it is said who polls', async (t) => {
  const it = new Operated({
    config: { routes: [{ id: 'placed', topic: 'orders', workflow: 'w', options: { taskQueue: 'lonely' } }] },
  });
  it.record('a', { taskQueue: 'lonely' });
  it.operator.terminate('a');
  const lonely = (await replayed(it)).entries[0];
  t.like(lonely, { readiness: 'not-picked-up', eventId: undefined });
  t.regex(lonely!.message!, /No worker has picked it up yet.*`lonely` is polled by nobody/);
  it.operator.poll('lonely', '17@host');
  t.regex((await replayed(it)).entries[0]!.message!, /polled by 17@host/);
  t.is(it.operator.resets.length, 0);
});

test('what the server refuses is said with its reason; the others go on', async (t) => {
  const it = new Operated();
  letters(it, 5);
  it.mended = true;
  it.operator.fail('reset', {
    matching: (workflowId) => workflowId === 'r2',
    fault: () => new TemporalFault('rejected', 'it has a child that runs', { status: 'INVALID_ARGUMENT' }),
  });
  const report = await replayed(it, { waitMs: 60_000 });
  const refused = report.replayed.find(({ workflowId }) => workflowId === 'r2');
  t.like(refused, { state: 'not-reset', runId: undefined, reason: 'it has a child that runs' });
  t.is(report.replayed.filter(({ state }) => state === 'completed').length, 4);
});

test('where Temporal goes away in the middle, the replay ends with that', async (t) => {
  const it = new Operated();
  letters(it, 5);
  it.operator.fail('reset', { matching: (workflowId) => workflowId === 'r2', times: 10 });
  const fault = await t.throwsAsync(replayed(it), { instanceOf: TemporalFault });
  t.is(fault?.status, 'UNAVAILABLE');
});

test.serial(
  'from a hundred on, jobs on the server do it, one for each event; small groups go one by one',
  async (t) => {
    const it = new Operated();
    letters(it, 95);
    for (let index = 0; index < 12; index++) it.record(`first${index}`, { steps: [{ call: 'fails' }] });
    for (let index = 0; index < 3; index++)
      it.record(`third${index}`, { steps: [{ call: 'fine' }, { call: 'fine' }, { call: 'fails' }] });
    it.mended = true;
    using clock = fakeClock(Date.now());
    const seen = new Set<string>();
    const report = await underClock(
      clock,
      replayed(it, {
        why: 'mended',
        reapply: 'none',
        waitMs: 60_000,
        onProgress: (now) => {
          if (now.step === 'resetting' && now.jobId) seen.add(now.jobId);
        },
      }),
    );
    const jobs = [...it.operator.jobs.values()].map(({ request }) => request);
    t.deepEqual(
      jobs.map(({ eventId, executions }) => [eventId, executions.length]),
      [
        [4, 12],
        [10, 95],
      ].toSorted(
        (a, b) =>
          jobs.findIndex(({ eventId }) => eventId === a[0]) -
          jobs.findIndex(({ eventId }) => eventId === b[0]),
      ),
    );
    for (const job of jobs) t.like(job, { reason: 'mended', reapply: 'none' });
    t.deepEqual(resetsOf(it), ['third0', 'third1', 'third2']);
    t.deepEqual(report.jobs.toSorted(), [...it.operator.jobs.keys()].toSorted());
    t.deepEqual([...seen].toSorted(), [...report.jobs].toSorted(), 'progress names the job');
    t.is(report.replayed.length, 110);
    t.true(report.replayed.every(({ state }) => state === 'completed'));
  },
);

test.serial('no job has more than a thousand', async (t) => {
  const it = new Operated();
  letters(it, 1200);
  it.mended = true;
  using clock = fakeClock(Date.now());
  const report = await underClock(clock, replayed(it, { check: false, waitMs: 60_000 }));
  t.deepEqual(
    [...it.operator.jobs.values()].map(({ request, done }) => [request.executions.length, done]),
    [
      [1000, 1000],
      [200, 200],
    ],
  );
  t.true(report.replayed.every(({ state }) => state === 'completed'));
});

test.serial("while somebody else's job runs, ours waits for its turn", async (t) => {
  const it = new Operated();
  letters(it, 100);
  it.operator.jobsPerSecond = 20;
  using clock = fakeClock(Date.now());
  await it.operator.startResetJob({
    jobId: 'theirs',
    executions: Array.from({ length: 100 }, (_, index) => ({ workflowId: `their${index}`, runId: '-' })),
    eventId: 4,
    reason: 'x',
    reapply: 'all',
  });
  const report = await underClock(clock, replayed(it, { check: false }));
  t.is(report.jobs.length, 1);
  t.is(it.operator.jobs.get(report.jobs[0]!)?.done, 100);
  t.true(it.operator.calls.filter(({ call }) => call === 'startResetJob').length > 3);
});

test.serial('a rate is kept, evenly', async (t) => {
  const it = new Operated();
  letters(it, 30);
  using clock = fakeClock(Date.now());
  await underClock(clock, replayed(it, { check: false, perSecond: 5 }));
  const times = it.operator.calls.filter(({ call }) => call === 'reset').map(({ at }) => at);
  t.is(times.length, 30);
  for (let index = 5; index < 30; index++) t.true(times[index]! - times[index - 5]! >= 950, `reset ${index}`);
});

test.serial('an interruption leaves what has not begun as it is, and says so', async (t) => {
  const it = new Operated();
  letters(it, 30);
  it.mended = true;
  const interrupted = new AbortController();
  using clock = fakeClock(Date.now());
  const report = await underClock(
    clock,
    replayed(it, {
      check: false,
      perSecond: 5,
      waitMs: 60_000,
      signal: interrupted.signal,
      onProgress: (now) => {
        if (now.step === 'resetting' && now.done === 4) interrupted.abort();
      },
    }),
  );
  const states = report.replayed.map(({ state }) => state);
  const done = states.filter((state) => state === 'completed').length;
  t.is(done, it.operator.resets.length);
  t.true(done >= 4 && done < 25, `${done} were reset`);
  t.is(states.filter((state) => state === 'not-reset').length, 30 - done);
});

test.serial('an interruption leaves the job to the server, and says which', async (t) => {
  const it = new Operated();
  letters(it, 100);
  it.operator.jobsPerSecond = 10;
  it.mended = true;
  const interrupted = new AbortController();
  using clock = fakeClock(Date.now());
  const report = await underClock(
    clock,
    replayed(it, {
      check: false,
      signal: interrupted.signal,
      onProgress: (now) => {
        if (now.step === 'resetting' && now.done > 10) interrupted.abort();
      },
    }),
  );
  const running = report.replayed.filter(({ state }) => state === 'running');
  t.true(running.length > 50);
  t.regex(running[0]!.reason!, new RegExp(`Job ${report.jobs[0]} goes on`));
  t.is(report.replayed.filter(({ state }) => state === 'not-reset').length, 0);
  await clock.advance(20_000);
  t.is(it.operator.jobs.get(report.jobs[0]!)?.done, 100);
});

test('interrupted while it looks, it asks nothing and changes nothing', async (t) => {
  const it = new Operated();
  letters(it, 50);
  const interrupted = new AbortController();
  const report = await replayed(it, {
    check: false,
    signal: interrupted.signal,
    confirm: async () => t.fail() as never,
    onProgress: (now) => {
      if (now.step === 'looking' && now.count === 10) interrupted.abort();
    },
  });
  t.false(report.confirmed);
  t.is(it.operator.resets.length, 0);
});

test.serial('it waits until each has closed, or for as long as it was told to', async (t) => {
  const it = new Operated();
  it.record('a');
  it.operator.activities['fails'] = () => {
    throw new Error('not yet'); // a retry is waited for
  };
  using clock = fakeClock(Date.now());
  const report = await underClock(clock, replayed(it, { check: false, waitMs: 5_000 }));
  t.like(report.replayed[0], { state: 'running' });
  t.is(report.replayed[0]?.runId, it.operator.current('a').runId);
});
