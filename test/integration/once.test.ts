import test from 'ava';
import { once } from '../faults/scenarios/once.js';
import { createScene, keyed } from '../faults/scene.js';
import { until } from '../helpers/until.js';

test('once: whatever is killed meanwhile, every unique key has exactly one execution, none is missing, and the group ends at the end of the log', async (t) => {
  t.timeout(420_000);
  const report = await once({
    seed: 20261123,
    records: 800,
    duplicates: 0.1,
    partitions: 8,
    bridgeKills: 2,
    workerKills: 1,
    killEveryMs: [1_500, 3_500],
    timeoutMs: 240_000,
    log: (line) => t.log(line),
  });
  t.deepEqual(report.verdict.wrongs, []);
  t.true(report.verdict.ok, JSON.stringify(report.verdict));
  t.is(report.kills.length, 3);
  t.is(report.callsOfDuplicates, 0);
});

test('a duplicate costs one call to Temporal, and starts nothing', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  const bridge = scene.bridge('bridge', ['--log-level', 'debug']);
  await scene.produce([
    keyed('same', { n: 1 }),
    ...Array.from({ length: 20 }, () => keyed('same', { n: 1 })),
  ]);
  await scene.committedToEnd();
  const settled = await until(
    () => [...bridge.stderr.matchAll(/"outcome":"(\w+)"/g)].map((match) => match[1]),
    {
      what: '21 settled records',
      accept: (seen) => seen.length === 21,
    },
  );
  t.deepEqual(settled, ['started', ...Array.from({ length: 20 }, () => 'duplicate')]);
  t.is((await scene.executions()).length, 1);
});
