import test from 'ava';
import { replayMany } from '../faults/scenarios/replay-many.js';

test('dead letters replayed by query while workers are killed: all complete, each in one new run, handled once', async (t) => {
  t.timeout(480_000);
  const report = await replayMany({
    seed: 20261124,
    records: 300,
    workerKills: 2,
    killEveryMs: [500, 1_500],
    timeoutMs: 240_000,
    log: (line) => t.log(line),
  });
  t.deepEqual(report.verdict.wrongs, []);
  t.is(report.handledTwice, 0);
  t.is(report.kills.length, 2);
  t.is(report.rate.resets, 300);
  t.deepEqual(report.command, { exitCode: 0, completed: 300, jobs: 1 });
});
