import test from 'ava';
import { rollingDeploy } from '../faults/scenarios/rolling-deploy.js';

test('a rolling deploy of two workers and two bridges under load: nothing is lost, nothing is handled twice, and after each replacement lag comes back', async (t) => {
  t.timeout(540_000);
  const report = await rollingDeploy({
    // Well below what two cores can do that other tests use as well; `npm run soak` has 12 a second.
    perSecond: 5,
    records: 250,
    partitions: 8,
    rounds: 1,
    timeoutMs: 240_000,
    log: (line) => t.log(line),
  });
  t.deepEqual(report.verdict.wrongs, []);
  t.true(report.verdict.produced >= 250);
  t.is(report.verdict.repeatedCalls, 0, 'who is drained leaves no call behind');
  t.is(report.replacements.length, 4);
  t.true(report.drainedInOrder, JSON.stringify(report.replacements));
});
