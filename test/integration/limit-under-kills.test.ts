import test from 'ava';
import { limitUnderKills } from '../faults/scenarios/limit-under-kills.js';

test('two bridges, two workers and kills of each: never more than 1.1 times the limit in work, by Temporal and by the handlers', async (t) => {
  t.timeout(420_000);
  const report = await limitUnderKills({
    seed: 20261124,
    records: 500,
    limit: 20,
    bridgeKills: 2,
    workerKills: 2,
    killEveryMs: [2_000, 4_000],
    timeoutMs: 300_000,
    log: (line) => t.log(line),
  });
  t.log(JSON.stringify({ ...report, verdict: undefined }));
  t.deepEqual(report.verdict.wrongs, []);
  t.is(report.kills.length, 4);
  t.true(report.mostByTemporal <= 22, `by Temporal: ${report.mostByTemporal}`);
  t.true(report.mostByHandlers <= 22, `by the handlers: ${report.mostByHandlers}`);
});
