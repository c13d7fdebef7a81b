/** Appends records to a spill file, one after another, and says of each when it is there. To be killed. */
import { openSpillFile } from '../../bridge/producer/spill-file.js';
import { SILENT_LOGGER } from './dispatcher-harness.js';

const [dir, from] = process.argv.slice(2) as [string, string];
const spill = await openSpillFile({ dir, maxBytes: 100_000_000 }, SILENT_LOGGER);
for (let order = Number(from); ; order++) {
  const body = Buffer.alloc(2_000, order);
  await spill.append([{ order, topic: 't', partition: 0, timestampMs: 0, body }]);
  process.stdout.write(`${order}\n`);
}
