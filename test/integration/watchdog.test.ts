import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startKafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { createScene, keyed } from '../faults/scene.js';
import { startTcpProxy } from '../faults/tcp-proxy.js';
import { testStack } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

test('a consumer whose connection is half-open (bytes swallowed, no FIN) is noticed and rebuilt, and the same partition goes on', async (t) => {
  t.timeout(300_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'ktb-watchdog-'));
  const [listening, advertised] = [await freePort(), await freePort()];
  await using proxy = await startTcpProxy({
    target: { host: '127.0.0.1', port: listening },
    port: advertised,
  });
  const broker = await startKafkaBroker({
    dataDir,
    extraListeners: [{ name: 'PROXIED', port: listening, advertisedPort: advertised }],
  });
  t.teardown(async () => {
    await broker.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const { temporal } = await testStack();
  // The test produces and looks by the broker's own listener; the bridge knows the proxy's only.
  await using scene = await createScene({
    stack: { kafka: { brokers: broker.brokers }, temporal },
    partitions: 1,
    config: 'watchdogMs: 3000,',
  });
  scene.worker();
  const bridge = scene.bridge('bridge', [], { KAFKA_BROKERS: `127.0.0.1:${advertised}` });
  await scene.produce([keyed('before')]);
  await scene.committedToEnd();

  proxy.stall();
  // The bridge asks for the log's ends by a connection of its own, gives that up after seconds of silence, and tries a
  // new one: long before that its consumer's fetch went into the void as well.
  const { accepted } = proxy.counters;
  await until(() => proxy.counters.accepted > accepted, { what: 'the bridge to talk into the void' });
  proxy.pass(); // new connections work; those that swallowed something stay dead
  await scene.produce([keyed('after')]);
  await bridge.waitForOutput(/"alert":"watchdog"/, 180_000);
  await scene.committedToEnd(120_000);
  t.regex(await scene.client.workflow.getHandle(`${scene.name}:after`).result(), /^handled .*\/0\/1$/);
});
