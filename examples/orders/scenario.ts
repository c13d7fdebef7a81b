/**
 * Produces the demo's events and checks what becomes of them, every number against what was produced; then mends what
 * went wrong, sends it through again, and checks that too.
 */
import { createBridgeClient, loadConfig, type BridgeClient } from '../../bridge/index.js';
import { env, print } from './demo/environment.js';
import { configFile } from './demo/ktb.js';
import { mend } from './demo/mend.js';
import { showOutcomes } from './demo/outcome-table.js';
import { produce } from './demo/produce.js';
import { settle } from './demo/settle.js';
import { demoRecords } from './orders.js';
import { beginTroubles } from './outside-world.js';

const ORDERS = 300;

const once = process.argv.includes('--once') || !process.stdout.isTTY;
const records = demoRecords(ORDERS);
const config = await loadConfig({ file: configFile });
const client = createBridgeClient(config);
beginTroubles(env('KTB_LOG_DIR'));
const begun = new Date();

await produce(config, records);
const wrong = [...showOutcomes(records, await settle(records.length, begun))];
await showTroubles(client);
print('\nNow the causes are mended, and everything is sent through again.');
wrong.push(...(await mend(client, begun)));
await client.close();
print(wrong.length === 0 ? '\nEvery number is what it should be.' : `\n${wrong.join('\n')}`);

if (!once) {
  print('\nThe stack stays up. Ctrl-C ends it.');
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => undefined, 60_000);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        clearInterval(timer);
        resolve();
      });
    }
  });
}
process.exitCode = wrong.length === 0 ? 0 : 1;

/** As `ktb failed` and `ktb quarantine list` do. */
async function showTroubles(bridge: BridgeClient): Promise<void> {
  const since = begun.getTime();
  print('\nFailed for good:');
  for await (const { key, reason, link } of bridge.failed({ since }))
    print(`  ${key}\n    ${reason}\n    ${link ?? 'no UI is up'}`);
  print('\nIn quarantine:');
  for await (const { topic, partition, offset, reason, link } of bridge.quarantine.list({ since }))
    print(`  ${topic}/${partition}/${offset}\n    ${reason}\n    ${link ?? 'no UI is up'}`);
}
