/** What operators see of a real bridge: metrics that follow what happens, and probes through everything. */
import test from 'ava';
import { startLocalStack } from '../../bridge/local-stack/local-stack.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { startKtb, type StartedProcess } from '../faults/process.js';
import { createScene, keyed } from '../faults/scene.js';
import { ProbeWatch } from '../helpers/probes.js';
import { scrape, type LabelValues, type Scrape } from '../helpers/prometheus.js';
import { until } from '../helpers/until.js';

async function urlOf(bridge: StartedProcess): Promise<string> {
  return (await bridge.waitForOutput(/"url":"(http:[^"]+)".*probes and metrics are served/))[1]!;
}

const scraped = (url: string, what: string, accept: (found: Scrape) => boolean) =>
  until(() => scrape(url), { what, accept, everyMs: 200 });

const isReady = (probes: ProbeWatch) =>
  until(() => probes.last?.ready, { what: 'the bridge to be ready', accept: (status) => status === 200 });

test('metrics follow records, commits, a rebalance and a hold, and no probe minds any of it', async (t) => {
  await using scene = await createScene({
    partitions: 4,
    routes: `[
      { id: 'placed', topic: TOPIC, eventType: 'placed', workflow: 'work', filter: (event) => event.n !== 9 },
      { id: 'old', topic: TOPIC, eventType: 'old', workflow: 'work', maxAgeMs: 60_000 },
    ]`,
    config: 'quarantineLimit: { count: 3, share: 0.1, window: 20 },',
  });
  const bridge = scene.bridge('bridge', ['--http', '127.0.0.1:0']);
  scene.worker();
  const url = await urlOf(bridge);
  await using probes = new ProbeWatch(url);
  await isReady(probes);
  const outcomes = (found: Scrape, labels: LabelValues) =>
    found.value('kafka_messages_processed_total', { topic: scene.topic, ...labels }) ?? 0;

  // One record of each outcome; the probe of a lag counts committed offsets, so it ends at 0.
  const of = (type: string, key: string, event: { n?: number } = {}) => {
    const { headers, ...record } = keyed(key, event);
    return { ...record, headers: { ...headers, 'event-type': type } };
  };
  await scene.client.workflow.start('work', {
    workflowId: `${scene.name}:theirs`,
    taskQueue: scene.taskQueue,
    args: [{}, {}],
  });
  await scene.produce([
    of('placed', 'a', { n: 1 }),
    of('placed', 'a', { n: 1 }),
    of('placed', 'a', { n: 2 }),
    of('placed', 'theirs'),
    of('placed', 'b', { n: 9 }),
    { ...of('old', 'c'), timestamp: Date.now() - 3_600_000 },
    of('nobody-knows', 'd'),
  ]);
  const all = await scraped(
    url,
    'seven outcomes and their commit',
    (found) =>
      outcomes(found, {}) === 7 &&
      found.value('ktb_consumer_lag', { topic: scene.topic }) === 0 &&
      found.value('ktb_partition_committed_offset', { partition: 0 }) === 7,
  );
  for (const [labels, count] of [
    [{ event_type: 'placed', outcome: 'started' }, 1],
    [{ event_type: 'placed', outcome: 'duplicate' }, 1],
    [{ event_type: 'placed', outcome: 'conflict' }, 1],
    [{ event_type: 'placed', outcome: 'foreign' }, 1],
    [{ event_type: 'placed', outcome: 'filtered' }, 1],
    [{ event_type: 'old', outcome: 'expired' }, 1],
    [{ event_type: 'other', outcome: 'quarantined' }, 1],
  ] as const)
    t.is(outcomes(all, labels), count, JSON.stringify(labels));
  t.is(all.value('ktb_partitions_assigned'), 4);
  t.is(all.value('ktb_append_to_start_seconds_count'), 1);
  t.true(all.value('ktb_offset_commits_total', { result: 'success' })! > 0);
  t.is(all.value('ktb_consumer_lag_seconds', { partition: 0 }), 0);
  t.true(
    all.value('ktb_temporal_request_duration_seconds_count', { operation: 'start', status: 'OK' })! >= 1,
  );
  t.true(all.value('process_resident_memory_bytes')! > 0, "Node's own are there too");

  // Another bridge joins and leaves.
  const rebalances = all.value('ktb_rebalances_total')!;
  const second = scene.bridge('bridge-2', ['--http', '127.0.0.1:0']);
  const secondUrl = await urlOf(second);
  await scraped(url, 'half of the partitions to go', (found) => found.value('ktb_partitions_assigned') === 2);
  await scraped(secondUrl, 'the other half', (found) => found.value('ktb_partitions_assigned') === 2);
  await using secondProbes = new ProbeWatch(secondUrl);
  await isReady(secondProbes);
  const leaving = second.term();
  await until(() => secondProbes.turns('ready'), {
    what: 'the one that leaves to say so, before it is gone',
    everyMs: 20,
    accept: (turns) => turns.at(-1) === 0,
  });
  t.is((await leaving).code, 0);
  const back = await scraped(
    url,
    'all to come back',
    (found) => found.value('ktb_partitions_assigned') === 4,
  );
  t.true(back.value('ktb_rebalances_total')! >= rebalances + 2);

  // A topic full of poison is held.
  await scene.produce(Array.from({ length: 30 }, (_, n) => of('nobody-knows', `poison-${n}`)));
  const held = await scraped(
    url,
    'the hold',
    (found) => found.value('ktb_partitions_paused', { reason: 'held' }) === 1,
  );
  t.true(held.value('ktb_consumer_lag', { partition: 0 })! > 20);
  t.true(held.value('ktb_blocking_records', { partition: 0 })! > 20);
  t.is(held.value('ktb_routes_held', { reason: 'quarantineLimit' }), 1);
  t.is(held.value('ktb_alerts_total', { kind: 'quarantineLimit' }), 1);
  const later = await scraped(
    url,
    'the seconds to grow',
    (found) => found.value('ktb_blocking_seconds', { partition: 0 })! > 3,
  );
  t.true(later.value('ktb_consumer_lag_seconds', { partition: 0 })! > 3);

  t.deepEqual(probes.turns('live'), [200]);
  t.deepEqual(probes.turns('ready').slice(-1), [200]);
  t.true(probes.turns('ready').length <= 2, 'it was not ready only while it started');

  for (const [args, code] of [
    [['--url', url], 0],
    [['--ready', '--url', `${url}/`], 0],
    [['--ready', '--json', '--url', url], 0],
    [['--url', `http://127.0.0.1:${await freePort()}`], 1],
    [['--url', 'nowhere'], 2],
  ] as const) {
    const health = startKtb('health', ['health', ...args], { cwd: scene.project.dir });
    t.is((await health.exited).code, code, `${args.join(' ')}: ${health.output}`);
  }
});

test('through outages of Kafka and Temporal it stays alive, and is not ready only after the grace time', async (t) => {
  t.timeout(600_000);
  await using stack = await startLocalStack({ ports: 'free', ui: false });
  const graceMs = 12_000;
  await using scene = await createScene({
    stack,
    partitions: 2,
    config: `http: { port: 0, outageGraceMs: ${graceMs} }, circuit: { halfOpenAfterMs: 2000 },`,
  });
  const bridge = scene.bridge();
  scene.worker();
  const url = await urlOf(bridge);
  await using probes = new ProbeWatch(url);
  await isReady(probes);
  await scene.produce([keyed('before')]);
  await scene.committedToEnd();

  for (const whom of ['Temporal', 'Kafka'] as const) {
    const server = (whom === 'Temporal' ? stack.temporal.server : stack.kafka.server)!;

    // A short one, in which its connections hang: nothing is seen of it.
    const beforeShort = probes.seen.length;
    server.signal('SIGSTOP');
    const hangs = performance.now();
    await until(() => performance.now() - hangs > 5_000, { what: 'the short outage to last', everyMs: 100 });
    server.signal('SIGCONT');
    await until(() => performance.now() - hangs > graceMs + 5_000, {
      what: 'its effects to show',
      everyMs: 500,
    });
    t.deepEqual(probes.turns('ready', beforeShort), [200], `${whom} hung for 5 s`);

    // One that lasts.
    const beforeLong = probes.seen.length;
    server.signal('SIGKILL');
    await until(() => probes.last?.ready, {
      what: `the outage of ${whom} to be told`,
      timeoutMs: 180_000,
      accept: (status) => status === 503,
    });
    const flipped = probes.seen.slice(beforeLong).find(({ ready }) => ready === 503)!;
    const silence = new RegExp(`^${whom} has taken no call of ours for (\\d+) s$`);
    const seconds = flipped.reasons.map((reason) => Number(silence.exec(reason)?.[1] ?? 0));
    t.true(Math.max(...seconds) >= graceMs / 1000, flipped.reasons.join());
    t.is((await scrape(url)).value('ktb_ready'), 0);
    await server.restart({ timeoutMs: 120_000 });
    await isReady(probes);
    t.deepEqual(probes.turns('ready', beforeLong), [200, 503, 200], whom);
    await scene.produce([keyed(`after ${whom}`)]);
    await scene.committedToEnd();
  }
  t.deepEqual(probes.turns('live'), [200]);
  t.is((await scrape(url)).value('ktb_consumer_lag', { topic: scene.topic }), 0);
});

test("a worker serves the SDK's own metrics where it is told to", async (t) => {
  await using scene = await createScene({ partitions: 1 });
  const port = await freePort();
  const metrics = `127.0.0.1:${port}`;
  const start = (name: string) =>
    startKtb(name, ['worker', '--metrics', metrics], {
      config: scene.project.configPath,
      env: { ...scene.env },
      cwd: scene.project.dir,
    });
  await using worker = start('worker');
  await worker.waitForOutput(/"msg":"polling"/);
  const answer = await (await fetch(`http://${metrics}/metrics`)).text();
  t.regex(answer, /^temporal_worker_task_slots_available\{/m);
  t.regex(answer, /^temporal_\w+_seconds_bucket\{/m);
  await using other = start('worker-2');
  t.is((await other.exited).code, 1);
  t.regex(other.stderr, new RegExp(`KTB_HTTP: The SDK's metrics can't be served at ${metrics}: .*in use`));
});

test('a bridge whose port is in use ends with one clear error', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  const url = await urlOf(scene.bridge('bridge', ['--http', '127.0.0.1:0']));
  const where = url.slice('http://'.length);
  const second = scene.bridge('bridge-2', ['--http', where]);
  t.is((await second.exited).code, 1);
  t.true(
    second.stderr.includes(
      `KTB_HTTP: Expected ${where} (\`http\`) to be free, got an address that is in use`,
    ),
  );
});
