import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import test from 'ava';
import { freePort } from '../../bridge/local-stack/ports.js';
import { startTemporalServer } from '../../bridge/local-stack/temporal-server.js';

test('a killed Temporal restarts with its executions on the same port, and later on other ports', async (t) => {
  t.timeout(180_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'ktb-temporal-test-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const settings = { dataDir, namespace: 'orders', retentionMs: 7_200_000 };
  const first = await startTemporalServer({ ...settings, port: await freePort() });
  t.teardown(async () => first.stop());
  const connection = await Connection.connect({ address: first.address });
  t.teardown(async () => connection.close());
  const client = new Client({ connection, namespace: 'orders' });
  // At once: the namespace is usable as soon as the start returns.
  await client.workflow.start('later', { workflowId: 'order-1', taskQueue: 'none' });
  const { config, namespaceInfo } = await client.workflowService.describeNamespace({ namespace: 'orders' });
  t.is(Number(config?.workflowExecutionRetentionTtl?.seconds), 7200);
  t.true(namespaceInfo?.capabilities?.standaloneActivities ?? first.kind === 'cli');

  first.server.signal('SIGKILL');
  await first.server.exited;
  await first.server.restart();
  t.is((await client.workflow.getHandle('order-1').describe()).status.name, 'RUNNING');
  await client.workflow.start('later', { workflowId: 'order-2', taskQueue: 'none' });
  await first.stop();

  const since = performance.now();
  const second = await startTemporalServer({ ...settings, port: await freePort() });
  t.teardown(async () => second.stop());
  // Its database knows hosts of its former self: looking for them would take 40 s.
  t.true(performance.now() - since < 15_000);
  const again = await Connection.connect({ address: second.address });
  t.teardown(async () => again.close());
  const handle = new Client({ connection: again, namespace: 'orders' }).workflow.getHandle('order-2');
  t.is((await handle.describe()).status.name, 'RUNNING');
  t.notRegex(readFileSync(second.server.logFile, 'utf8'), /unregistered key|unable to decode/i);
});
