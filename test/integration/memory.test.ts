import test from 'ava';
import { memoryUnderBacklog } from '../faults/scenarios/memory.js';

test('a backlog with no worker: the bridge starts what `maxBacklog` allows, holds what its buffer allows, and leaves the rest in Kafka', async (t) => {
  t.timeout(240_000);
  for (const [records, valueBytes, partitions] of [
    [6_000, 200, 100],
    [600, 100_000, 8],
  ] as const) {
    const report = await memoryUnderBacklog({
      records,
      valueBytes,
      partitions,
      maxBacklog: 200,
      watchMs: 3_000,
    });
    t.log(JSON.stringify(report));
    t.true(report.started >= 200 && report.started <= 300, 'the bound, and the starts that were under way');
  }
});
