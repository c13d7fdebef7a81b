import test from 'ava';
import { Committer } from '../../bridge/intake/committer.js';
import type { CommitEntry } from '../../bridge/intake/record-source.js';
import { fakeClock, turn } from '../helpers/doubles/clock.js';

function setup() {
  const state = {
    epoch: 1,
    entries: [] as readonly CommitEntry[],
    /** What the broker was asked to take. */
    asked: [] as (readonly CommitEntry[])[],
    confirmed: [] as [readonly CommitEntry[], number][],
    results: [] as [string, string | undefined][],
    underWay: 0,
    most: 0,
    refuse: undefined as Error | undefined,
    answer: (): void => undefined,
    late: false,
  };
  const committer = new Committer({
    source: {
      async commit(entries) {
        state.asked.push(entries);
        state.most = Math.max(state.most, ++state.underWay);
        if (state.late) await new Promise<void>((resolve) => (state.answer = resolve));
        state.underWay--;
        if (state.refuse) throw state.refuse;
      },
    },
    intake: {
      get epoch() {
        return state.epoch;
      },
      commitEntries: () => state.entries,
      committed: (entries, epoch) => {
        state.confirmed.push([entries, epoch]);
        state.entries = [];
      },
    },
    intervalMs: 250,
    onCommit: (result, _seconds, why) => {
      if (result !== 'skipped') state.results.push([result, why]);
    },
  });
  return { state, committer };
}

const entry = (position: bigint): CommitEntry => ({ topic: 'orders', partition: 0, position });

test.serial('what may be committed goes at each interval, and nothing where there is nothing', async (t) => {
  using clock = fakeClock();
  const { state, committer } = setup();
  const stop = new AbortController();
  const running = committer.run(stop.signal);
  await clock.advance(1000);
  t.deepEqual(state.asked, []);
  state.entries = [entry(5n)];
  await clock.advance(249);
  await clock.advance(1);
  t.deepEqual(state.asked, [[entry(5n)]]);
  t.deepEqual(state.confirmed, [[[entry(5n)], 1]]);
  await clock.advance(1000);
  t.is(state.asked.length, 1);
  stop.abort();
  await running;
  t.deepEqual(state.results, [['success', undefined]]);
});

test.serial('what is refused stays, and goes with the next one', async (t) => {
  using clock = fakeClock();
  const { state, committer } = setup();
  const stop = new AbortController();
  const running = committer.run(stop.signal);
  state.refuse = new Error('the member is unknown');
  state.entries = [entry(5n)];
  await clock.advance(250);
  t.deepEqual(state.confirmed, []);
  t.deepEqual(state.results, [['failure', 'the member is unknown']]);
  state.refuse = undefined;
  state.entries = [entry(9n)];
  await clock.advance(250);
  t.deepEqual(state.asked, [[entry(5n)], [entry(9n)]]);
  t.deepEqual(state.confirmed, [[[entry(9n)], 1]]);
  stop.abort();
  await running;
});

test('one commit is under way at a time, and the next one asks anew what may go', async (t) => {
  const { state, committer } = setup();
  state.late = true;
  state.entries = [entry(1n)];
  const flushes = [committer.flush(), committer.flush()];
  await turn();
  t.is(state.asked.length, 1);
  const answer = state.answer;
  state.answer = () => undefined;
  answer();
  await turn();
  t.is(state.asked.length, 1, 'all was confirmed meanwhile');
  state.entries = [entry(2n)];
  flushes.push(committer.flush());
  await turn();
  state.answer();
  await Promise.all(flushes);
  t.deepEqual(state.asked, [[entry(1n)], [entry(2n)]]);
  t.is(state.most, 1);
});

test('a commit is confirmed for the epoch in which it was asked for', async (t) => {
  const { state, committer } = setup();
  state.late = true;
  state.entries = [entry(1n)];
  const flush = committer.flush();
  await turn();
  state.epoch = 2; // a rebalance meanwhile
  state.answer();
  await flush;
  t.deepEqual(state.confirmed, [[[entry(1n)], 1]]);
});

test('a flush never rejects', async (t) => {
  const { state, committer } = setup();
  state.refuse = new Error('no');
  state.entries = [entry(1n)];
  await t.notThrowsAsync(committer.flush());
});
