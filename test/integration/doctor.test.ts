/** Each test breaks one thing on real servers and reads what the doctor says of it. What can't be broken here: test/operate/doctor.test.ts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { commitMetadata, type SubscriptionMark } from '../../bridge/intake/subscription.js';
import { doctor, resolveConfig, setup, type CheckName, type Finding } from '../../bridge/index.js';
import type { BridgeConfig } from '../../bridge/index.js';
import { startTemporalServer } from '../../bridge/local-stack/temporal-server.js';
import { ensureNamespace } from '../../bridge/local-stack/temporal-namespace.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { CHECKS } from '../../bridge/operate/doctor/finding.js';
import { startKtb } from '../faults/process.js';
import { createScene, keyed, type Scene } from '../faults/scene.js';
import { committedOffsets, createTopic, kafkaClient, produce, withAdmin } from '../helpers/kafka.js';
import { testStack, unique, type TestStack } from '../helpers/stack.js';
import { connectTemporal, waitForCount } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const DAY_MS = 86_400_000;

let made: Promise<TestStack> | undefined;

/** The shared servers, with a namespace of this file's that keeps executions for three days and is set up. */
function home(): Promise<TestStack> {
  return (made ??= (async () => {
    const stack = await testStack();
    const { address } = stack.temporal;
    const namespace = unique('doctor');
    const { signal } = new AbortController();
    await ensureNamespace({ address, namespace, retentionMs: 3 * DAY_MS, signal });
    const at = { ...stack, temporal: { address, namespace } };
    await setup(await configOf({}, at));
    // The first question about a group makes Kafka create its topic of offsets: that is no finding of any test here.
    const { brokers } = stack.kafka;
    const topic = await createTopic(brokers, unique('first'));
    await until(
      () => withAdmin(brokers, (admin) => admin.fetchOffsets({ groupId: topic, topics: [topic] })),
      {
        what: 'Kafka to keep offsets',
      },
    );
    return at;
  })());
}

/** A configuration without processes: what is to be examined needs none. */
async function configOf(change: Partial<BridgeConfig>, stack?: TestStack) {
  const { kafka, temporal } = stack ?? (await home());
  const name = change.name ?? unique('examined');
  return resolveConfig(
    {
      idPrefix: `${name}:`,
      routes: [{ topic: 'nothing-here', workflow: 'work' }],
      ...change,
      name,
      kafka: { brokers: kafka.brokers, groupId: `${name}-group`, ...change.kafka },
      temporal: {
        address: temporal.address,
        namespace: temporal.namespace,
        taskQueue: name,
        ...change.temporal,
      },
    },
    { baseDir: '/', env: {} },
  );
}

const topicOf = async (partitions = 1, config: Readonly<Record<string, string>> = {}) =>
  createTopic((await home()).kafka.brokers, unique('topic'), {
    partitions,
    config: { 'retention.ms': String(DAY_MS), ...config },
  });

type Config = Awaited<ReturnType<typeof configOf>>;

async function findingsOf(config: Config, check: CheckName): Promise<readonly Finding[]> {
  return (await doctor(config, { probe: false })).filter((one) => one.check === check);
}

/** What is found where nothing but one thing is wrong. */
async function onlyOf(t: ExecutionContext, config: Config, check: CheckName): Promise<Finding> {
  const found = await findingsOf(config, check);
  t.is(found.length, 1, JSON.stringify(found));
  return found[0]!;
}

const workflowRoutes = (...topics: readonly (string | RegExp)[]) =>
  topics.map((topic, index) => ({ id: `r${index}`, topic, workflow: 'work' }));

interface Ktb {
  readonly code: number | null;
  readonly stdout: string;
  readonly findings: readonly Finding[];
}

async function ktbDoctor(scene: Scene, ...args: readonly string[]): Promise<Ktb> {
  const it = startKtb('doctor', ['doctor', ...args], { config: scene.project.configPath });
  const { code } = await it.exited;
  const { stdout } = it;
  const findings = args.includes('--json')
    ? stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Finding)
    : [];
  return { code, stdout, findings };
}

/** A commit as a bridge makes it, with what it says beside it. */
async function commitAs(config: Config, topic: string, mark: SubscriptionMark | string): Promise<void> {
  const consumer = kafkaClient(config.kafka.brokers).consumer({ groupId: config.kafka.groupId });
  const joined = new Promise<void>((resolve) => void consumer.on('consumer.group_join', () => resolve()));
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachMessage: async () => {} });
    await joined;
    const metadata = typeof mark === 'string' ? mark : commitMetadata(mark);
    // kafkajs drops a commit in silence while its consumer starts again after a crash.
    await until(
      async () => {
        await consumer.commitOffsets([{ topic, partition: 0, offset: '0', metadata }]);
        return committedOffsets(config.kafka.brokers, config.kafka.groupId, topic);
      },
      { what: 'the commit', accept: (all) => all.some((one) => one.metadata === metadata) },
    );
  } finally {
    await consumer.disconnect();
  }
}

test('where all is well every check says so, and the exit code is 0; then one thing after another breaks', async (t) => {
  const stack = await home();
  await using scene = await createScene({
    stack,
    partitions: 2,
    topicConfig: { 'retention.ms': String(DAY_MS) },
  });
  const worker = scene.worker();
  const bridge = scene.bridge();
  await scene.produce([0, 1].map((partition) => keyed(`k${partition}`, {}, partition)));
  await scene.committedToEnd();
  await worker.waitForOutput('"msg":"polling"');

  const well = await until(() => ktbDoctor(scene, '--json'), {
    what: 'the doctor to find nothing',
    accept: ({ code }) => code === 0,
    timeoutMs: 180_000,
  });
  t.deepEqual(
    well.findings.map(({ check }) => check),
    [...CHECKS],
  );
  t.deepEqual(
    well.findings.filter(({ level, advice }) => level !== 'ok' || advice !== null),
    [],
  );
  await waitForCount(scene.client, 'WorkflowType = "ktbProbe"', 0);

  // Another subscription of the same topic, first with the same prefix.
  const prefix = `${scene.name}:`;
  const second = { routes: workflowRoutes(scene.topic), idPrefix: prefix };
  const same = await onlyOf(t, await configOf(second), 'id-prefix');
  t.is(same.level, 'problem', same.message);
  t.true(same.message.includes(`Subscription ${scene.name} reads the same topics (group ${scene.groupId})`));
  t.regex(same.message, /both have `idPrefix`/);
  t.regex(same.advice!, /Give one of the two an `idPrefix`/);
  t.like(await onlyOf(t, await configOf({ ...second, idPrefix: 'other:' }), 'id-prefix'), { level: 'ok' });

  // What runs, and what the doctor is run with.
  scene.reconfigure({
    routes: `[{ id: 'work', topic: TOPIC, workflow: 'work', decoder: (value) => JSON.parse(value.toString()) }]`,
  });
  const differs = await ktbDoctor(scene, '--json', '--no-probe');
  t.is(differs.code, 3);
  const [foreign] = differs.findings.filter(({ check }) => check === 'decoders');
  t.is(foreign?.level, 'warning');
  t.regex(foreign!.message, /^What runs \([0-9a-f]{16}\) has another configuration than this command/);
  t.regex(foreign!.advice!, /with the configuration that is deployed/);

  await bridge.term();
  const deployed = scene.bridge('bridge-2');
  await scene.produce([0, 1].map((partition) => keyed(`k${partition + 2}`, {}, partition)));
  await scene.committedToEnd();
  const decoders = (await ktbDoctor(scene, '--json', '--no-probe')).findings.find(
    ({ check }) => check === 'decoders',
  );
  t.is(decoders?.level, 'problem');
  t.regex(decoders!.message, /^Bridge \([0-9a-f]{16}\) and worker \([0-9a-f]{16}\) differ in decoders/);
  t.regex(decoders!.advice!, /one build and one configuration/);

  // Nobody reads any more.
  await deployed.term();
  const empty = await ktbDoctor(scene, '--no-probe');
  t.is(empty.code, 3);
  t.regex(empty.stdout, /^✔ temporal +Temporal at .* answers for namespace doctor-/);
  t.regex(empty.stdout, /\n\d problems?(, \d warnings?)?; 3 not checked\n$/);
  t.false(empty.stdout.includes(String.fromCharCode(27)));
  t.regex(empty.stdout, /✖ group +Group .* has no members: nobody reads the topics\n +→ Start `ktb bridge`/);

  // The other subscription is seen by what it has started, too.
  await withAdmin(stack.kafka.brokers, (admin) => admin.deleteGroups([scene.groupId]));
  const executions = await onlyOf(t, await configOf(second), 'id-prefix');
  t.is(executions.level, 'problem', executions.message);
  t.regex(executions.message, /\(execution .*:k\d\)/);
});

test('queues that nobody polls, also those that a route names', async (t) => {
  const topic = await topicOf();
  const config = await configOf({
    routes: [
      { id: 'mine', topic, eventType: 'a', workflow: 'work' },
      { id: 'elsewhere', topic, workflow: 'work', options: { taskQueue: unique('elsewhere') } },
    ],
  });
  const found = await findingsOf(config, 'workers');
  const { taskQueue } = config.temporal;
  t.is(found.length, 2);
  t.is(
    found[0]!.message,
    `No worker polls ${taskQueue} for workflow tasks, ${taskQueue}-ktb for workflow tasks, ${taskQueue}-ktb for activity tasks: what comes there waits`,
  );
  t.regex(found[0]!.advice!, /Start `ktb worker` with this configuration/);
  t.regex(found.at(-1)!.message, /^No worker polls elsewhere-/);
  t.regex(found.at(-1)!.advice!, /worker of route `elsewhere`, or correct `options\.taskQueue`/);
});

test('more tasks wait than `maxBacklog`', async (t) => {
  const { temporal } = await home();
  const config = await configOf({ maxBacklog: 2 });
  const client = await connectTemporal(temporal);
  for (const n of [1, 2, 3]) {
    await client.workflow.start('work', {
      workflowId: unique(`waits-${n}`),
      taskQueue: config.temporal.taskQueue,
    });
  }
  await client.connection.close();
  const [finding] = await until(() => findingsOf(config, 'backlog'), {
    what: 'the tasks to be counted',
    accept: (found) => found[0]?.level !== 'ok',
  });
  t.is(finding!.level, 'warning');
  t.regex(
    finding!.message,
    /^Waiting for a worker: 3 tasks \(`maxBacklog` is 2\): the bridge takes nothing from Kafka/,
  );
  t.regex(finding!.advice!, /more workers/);
});

test('topics that are not there, and a pattern that matches none', async (t) => {
  const config = await configOf({ routes: workflowRoutes('no.such.topic', /^no-such\..*/) });
  const found = await findingsOf(config, 'topics');
  t.deepEqual(
    found.map(({ level, message }) => [level, message]),
    [
      ['problem', 'Topic no.such.topic of route `r0` does not exist'],
      ['warning', 'The pattern /^no-such\\..*/ of route `r1` matches no topic'],
    ],
  );
  t.regex(found[0]!.advice!, /kafka-topics\.sh --create --topic no\.such\.topic/);
  t.regex(found[1]!.advice!, /Correct the pattern/);
  for (const check of ['offsets', 'lag', 'retention', 'id-prefix'] as const)
    t.is((await onlyOf(t, config, check)).level, 'skipped', check);
});

test('a namespace that forgets before the topics do', async (t) => {
  const topics = await Promise.all([
    topicOf(1, { 'retention.ms': String(7 * DAY_MS) }),
    topicOf(1, { 'cleanup.policy': 'compact' }),
    topicOf(1, { 'retention.ms': '-1' }),
  ]);
  const config = await configOf({ routes: workflowRoutes(...topics) });
  const finding = await onlyOf(t, config, 'retention');
  t.is(finding.level, 'warning', finding.message);
  t.regex(finding.message, /keeps closed executions for 3 days/);
  t.true(finding.message.includes(`${topics[0]} for 7 days`));
  t.true(finding.message.includes(`${topics[1]} for ever`));
  t.true(finding.message.includes(`${topics[2]} for ever`));
  t.true(
    finding.advice!.includes(
      `temporal operator namespace update --namespace ${config.temporal.namespace} --retention 168h`,
    ),
  );
});

test('records that wait until retention is near', async (t) => {
  const topic = await topicOf(1, { 'retention.ms': '3600000' });
  const { brokers } = (await home()).kafka;
  const config = await configOf({ routes: workflowRoutes(topic) });
  await produce(brokers, topic, [{ value: 'young' }]);
  const young = await onlyOf(t, config, 'lag');
  t.is(young.level, 'ok', young.message);
  t.is(young.message, 'Lag: 1 in 1 partition');
  const old = await topicOf(1, { 'retention.ms': '3600000' });
  await produce(brokers, old, [{ value: 'old', timestamp: Date.now() - 3_000_000 }, { value: 'young' }]);
  const finding = await onlyOf(t, await configOf({ routes: workflowRoutes(old) }), 'lag');
  t.is(finding.level, 'warning', finding.message);
  t.true(
    finding.message.startsWith(
      `${old}/0: the next record to read is older than half of the topic's retention (1 h)`,
    ),
  );
  t.regex(finding.advice!, /`retention\.ms` before records are lost/);
});

test('positions outside of the log: a lost range, and a log that ends before', async (t) => {
  const topic = await topicOf(2);
  const { brokers } = (await home()).kafka;
  const config = await configOf({ routes: workflowRoutes(topic) });
  await produce(
    brokers,
    topic,
    Array.from({ length: 10 }, (_, n) => ({ value: String(n) })),
  );
  await withAdmin(brokers, async (admin) => {
    await admin.setOffsets({
      groupId: config.kafka.groupId,
      topic,
      partitions: [
        { partition: 0, offset: '2' },
        { partition: 1, offset: '7' },
      ],
    });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '5' }] });
  });
  const found = await findingsOf(config, 'offsets');
  t.deepEqual(
    found.map(({ level, message }) => [level, message]),
    [
      ['problem', `${topic}/0: the records 2 to 4 are gone: retention took them before they were read`],
      [
        'problem',
        `${topic}/1: the group stands at 7, but the log ends at 0: the topic was made anew or truncated`,
      ],
    ],
  );
  t.regex(found[0]!.advice!, /retention\.ms/);
  t.true(found[1]!.advice!.includes(`--group ${config.kafka.groupId} --topic ${topic}:1 --reset-offsets`));
});

test("a group with another subscription's commits", async (t) => {
  const topic = await topicOf();
  const config = await configOf({ routes: workflowRoutes(topic) });
  await commitAs(config, topic, { name: 'somebody-else' });
  const finding = await onlyOf(t, config, 'subscription');
  t.is(finding.level, 'problem', finding.message);
  t.true(
    finding.message.endsWith(`commits of another subscription: somebody-else instead of ${config.name}`),
  );
  t.regex(finding.advice!, /ktb bridge --rename/);
});

test('another subscription whose bridge is too old to name its prefix, and one in another namespace', async (t) => {
  const topic = await topicOf();
  const theirs = await configOf({ routes: workflowRoutes(topic) });
  await commitAs(theirs, topic, `{"ktb":1,"name":"${theirs.name}"}`);
  const ours = await configOf({ routes: workflowRoutes(topic) });
  const finding = await onlyOf(t, ours, 'id-prefix');
  t.is(finding.level, 'warning', finding.message);
  t.true(finding.message.includes(`Subscription ${theirs.name} reads the same topics`));
  t.regex(finding.advice!, /See that it differs from/);

  const elsewhere = await topicOf();
  const away = await configOf({ routes: workflowRoutes(elsewhere) });
  await commitAs(away, elsewhere, { name: away.name, idPrefix: '', namespace: 'another' });
  const config = await configOf({ routes: workflowRoutes(elsewhere), idPrefix: '' });
  t.like(await onlyOf(t, config, 'id-prefix'), { level: 'ok' });
});

test('a group that reads only a part, and one that is being rebalanced', async (t) => {
  const [first, second] = await Promise.all([topicOf(), topicOf()]);
  const { brokers } = (await home()).kafka;
  const config = await configOf({ routes: workflowRoutes(first, second) });
  const member = () =>
    kafkaClient(brokers).consumer({ groupId: config.kafka.groupId, rebalanceTimeout: 30_000 });
  let letGo = () => {};
  const stuck = new Promise<void>((resolve) => (letGo = resolve));
  const one = member();
  const other = member();
  t.teardown(async () => {
    letGo();
    await Promise.all([one.disconnect(), other.disconnect()]);
  });
  await one.connect();
  await one.subscribe({ topic: first, fromBeginning: true });
  let begun = false;
  await one.run({ autoCommit: false, eachMessage: () => ((begun = true), stuck) });
  const part = await until(() => onlyOf(t, config, 'group'), {
    what: 'the member to be assigned its partition',
    accept: ({ message }) => message.includes('reads only a part'),
  });
  t.is(part.level, 'problem', part.message);
  t.true(part.message.endsWith(`nobody has ${second}/0`));
  t.regex(part.advice!, /one and the same configuration/);

  // The first member is in a handler and does not hear of it.
  await produce(brokers, first, [{ value: 'x' }]);
  await until(() => begun, { what: 'the first member to be in its handler' });
  await other.connect();
  await other.subscribe({ topic: second, fromBeginning: true });
  // It resolves when the rebalance is over.
  const joined = other.run({ autoCommit: false, eachMessage: async () => {} });
  const rebalancing = await until(() => onlyOf(t, config, 'group'), {
    what: 'the group to be rebalanced',
    accept: ({ message }) => message.includes('is being rebalanced'),
    everyMs: 50,
  });
  t.is(rebalancing.level, 'warning', rebalancing.message);
  t.regex(rebalancing.advice!, /Look again in a minute/);
  letGo();
  await joined;
});

test('a server with the old matcher and short IDs ignores priorities and refuses our longest IDs', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ktb-doctor-'));
  const server = await startTemporalServer({
    dataDir,
    port: await freePort(),
    dynamicConfig: {
      'matching.useNewMatcher': false,
      'matching.enableFairness': false,
      'limit.maxIDLength': 200,
    },
  });
  t.teardown(async () => {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const { address, namespace } = server;
  const config = await configOf({}, { kafka: (await home()).kafka, temporal: { address, namespace } });
  const findings = await doctor(config);
  const of = (check: CheckName) => findings.find((one) => one.check === check)!;
  t.is(of('priority').level, 'warning');
  t.regex(of('priority').message, /^The server ignores task priorities/);
  t.regex(of('priority').advice!, /matching\.useNewMatcher/);
  t.is(of('id-length').level, 'problem');
  t.regex(of('id-length').advice!, /limit\.maxIDLength/);
  t.is(of('id-case').level, 'ok');
});

test('servers that are away, a namespace that is missing, and TLS where there is none: each with its cause', async (t) => {
  const away = await doctor(
    await configOf({
      kafka: { brokers: ['127.0.0.1:1'], groupId: 'g' },
      temporal: { address: '127.0.0.1:1', taskQueue: 'q' },
    }),
  );
  for (const finding of away) {
    const { check, level, message, advice } = finding;
    if (check !== 'temporal' && check !== 'kafka') {
      t.is(level, 'skipped', check);
      continue;
    }
    t.is(level, 'problem', check);
    t.regex(message, /ECONNREFUSED/, check);
    t.regex(advice!, /Nothing listens there/, check);
  }
  const { kafka, temporal } = await home();
  const missing = await configOf({ temporal: { namespace: 'no-such-namespace', taskQueue: 'q' } });
  t.regex(
    (await onlyOf(t, missing, 'temporal')).advice!,
    /temporal operator namespace create --namespace no-such-namespace/,
  );

  const tls = await configOf({
    kafka: { brokers: kafka.brokers, groupId: 'g', ssl: true },
    temporal: { address: temporal.address, tls: true, taskQueue: 'q' },
  });
  const findings = await doctor(tls);
  for (const check of ['temporal', 'kafka'] as const) {
    const finding = findings.find((one) => one.check === check)!;
    t.is(finding.level, 'problem', finding.message);
    t.regex(
      finding.advice!,
      /speaks no TLS|may be a TLS port|if and only if/,
      `${check}: ${finding.message}`,
    );
  }
});
