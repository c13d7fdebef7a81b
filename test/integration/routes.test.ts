import test from 'ava';
import { countsOf, createScene, keyed } from '../faults/scene.js';
import { registerSearchAttributes } from '../../bridge/operate/setup.js';
import { loadConfig } from '../../bridge/config/load.js';
import { committedOffsets, createTopic, produce } from '../helpers/kafka.js';
import { until } from '../helpers/until.js';

test('a topic that is made later is found by its pattern', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    routes: `[{ id: 'pattern', topic: new RegExp(TOPIC.replaceAll('.', '\\\\.') + '.*'), workflow: 'work' }]`,
  });
  scene.worker();
  const bridge = scene.bridge();
  await scene.produce([keyed('first')]);
  await scene.committedToEnd();
  const { brokers } = scene.stack.kafka;
  const later = await createTopic(brokers, `${scene.topic}.later`, { partitions: 2 });
  await produce(brokers, later, [keyed('second', {}, 0), keyed('third', {}, 1)]);
  await bridge.waitForOutput(/new topics: the consumer joins again/);
  await until(
    async () => (await committedOffsets(brokers, scene.groupId, later)).map(({ offset }) => Number(offset)),
    {
      what: 'the later topic to be committed',
      timeoutMs: 180_000,
      accept: (offsets) => offsets.length === 2 && offsets.every((offset) => offset === 1),
    },
  );
  for (const key of ['first', 'second', 'third'])
    t.regex(await scene.client.workflow.getHandle(`${scene.name}:${key}`).result(), /^handled/);
});

test('a topic that does not exist yet is waited for, and the others go on', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    routes: `[{ id: 'here', topic: TOPIC, workflow: 'work' }, { id: 'later', topic: TOPIC + '.not-yet', workflow: 'work' }]`,
  });
  scene.worker();
  scene.bridge();
  await scene.produce([keyed('here')]);
  await scene.committedToEnd();
  const { brokers } = scene.stack.kafka;
  const later = await createTopic(brokers, `${scene.topic}.not-yet`, { partitions: 1 });
  await produce(brokers, later, [keyed('there')]);
  const result = await until(() => scene.client.workflow.getHandle(`${scene.name}:there`).result(), {
    what: 'the later record',
    timeoutMs: 180_000,
  });
  t.regex(result as string, /^handled/);
});

test('more than `quarantineLimit` bad records hold their route: its partition waits at the first of them, the other partitions go on, nothing is lost', async (t) => {
  await using scene = await createScene({
    partitions: 2,
    config: 'quarantineLimit: { count: 5, share: 0.5, window: 20 },',
    routes: `[
      { id: 'broken', topic: TOPIC, eventType: 'broken', workflow: 'work', filter: () => { throw new Error('the filter is broken'); } },
      { id: 'work', topic: TOPIC, workflow: 'work' },
    ]`,
  });
  scene.worker();
  const bridge = scene.bridge();
  const broken = (n: number) => ({
    ...keyed(`broken-${n}`, {}, 0),
    headers: { 'idempotency-key': `broken-${n}`, 'event-type': 'broken' },
  });
  await scene.produce(Array.from({ length: 30 }, (_, n) => broken(n)));
  await bridge.waitForOutput(/"alert":"quarantineLimit".*went into quarantine/);
  await scene.produce([keyed('behind', {}, 0), keyed('beside', {}, 1)]);
  t.regex(
    await until(() => scene.client.workflow.getHandle(`${scene.name}:beside`).result() as Promise<string>, {
      what: 'the other partition',
    }),
    /^handled/,
  );
  const { brokers } = scene.stack.kafka;
  const committed = await until(() => committedOffsets(brokers, scene.groupId, scene.topic), {
    what: 'both partitions to be committed as far as they go',
    accept: (offsets) =>
      offsets
        .map(({ offset }) => String(offset))
        .toSorted((a, b) => a.localeCompare(b))
        .join() === '1,5',
  });
  t.is(committed.length, 2);
  t.is((await scene.executions('WorkflowType = "ktbQuarantine"')).length, 5);
  // Mended, and started again: what waited in Kafka goes through.
  await bridge.term();
  scene.reconfigure({
    routes: `[{ id: 'broken', topic: TOPIC, eventType: 'broken', workflow: 'work' }, { id: 'work', topic: TOPIC, workflow: 'work' }]`,
  });
  scene.bridge('bridge-2');
  await scene.committedToEnd();
  await until(() => scene.executions('WorkflowType = "work" AND ExecutionStatus = "Completed"'), {
    what: '25 that waited, and two others',
    accept: (seen) => seen.length === 27,
  });
  t.pass();
});

test('a worker whose routes name a workflow or an activity that is not there ends with an error that names them', async (t) => {
  await using scene = await createScene({
    routes: `[{ topic: TOPIC, eventType: 'a', workflow: 'wokr' }, { topic: TOPIC, eventType: 'b', activity: 'handel' }]`,
  });
  const worker = scene.worker();
  t.is((await worker.exited).code, 1);
  t.regex(worker.stderr, /KTB_WORKER: Expected route `.*:a` to name a workflow, got `wokr`; there are: work/);
  t.regex(worker.stderr, /Expected route `.*:b` to name an activity, got `handel`; there are: handle/);
});

test('CloudEvents, binary and structured, are routed by their type and keyed by source and id', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    routes: `[{ id: 'events', topic: TOPIC, eventType: 'com.example.made', decoder: 'cloudevents', workflow: 'work' }]`,
    workflows: `export async function work(event, record) { return [event.id, event.data.n, record.eventType, record.idempotencyKey]; }`,
  });
  scene.worker();
  const bridge = scene.bridge();
  const binary = {
    value: '{"n":1}',
    headers: {
      ce_specversion: '1.0',
      ce_id: 'one',
      ce_source: '/shop',
      ce_type: 'com.example.made',
      'content-type': 'application/json',
    },
  };
  const structured = {
    value: JSON.stringify({
      specversion: '1.0',
      id: 'two',
      source: '/shop',
      type: 'com.example.made',
      datacontenttype: 'application/json',
      data: { n: 2 },
    }),
    headers: { 'content-type': 'application/cloudevents+json' },
  };
  await scene.producePlain([binary, structured, binary]);
  await scene.committedToEnd();
  const executions = await until(() => scene.executions('ExecutionStatus = "Completed"'), {
    what: 'both',
    accept: (seen) => seen.length === 2,
  });
  const results = await Promise.all(
    executions.map(({ workflowId }) => scene.client.workflow.getHandle(workflowId).result()),
  );
  t.deepEqual(
    (results as unknown[][]).toSorted((a, b) => Number(a[1]) - Number(b[1])),
    [
      ['one', 1, 'com.example.made', '/shop#one'],
      ['two', 2, 'com.example.made', '/shop#two'],
    ],
  );
  await until(() => countsOf(bridge), {
    what: 'the duplicate',
    accept: (counts) => counts['duplicate'] === 1,
  });
});

test('a payload codec is used alike by bridge, worker and quarantine: Temporal never sees the event', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    preamble: `
const flip = (bytes) => Uint8Array.from(bytes, (byte) => byte ^ 0x5a);
const encoding = new TextEncoder().encode('binary/flipped');
const codec = {
  encode: async (payloads) => payloads.map(({ metadata, data }) => ({ metadata: { encoding, inner: metadata.encoding }, data: flip(data) })),
  decode: async (payloads) => payloads.map((payload) => payload.metadata?.inner ? { metadata: { encoding: payload.metadata.inner }, data: flip(payload.data) } : payload),
};
const dataConverter = { payloadCodecs: [codec] };
`,
    temporal: 'dataConverter,',
    routes: `[{ id: 'workflow', topic: TOPIC, eventType: 'w', workflow: 'work' }, { id: 'activity', topic: TOPIC, eventType: 'a', activity: 'handle' }]`,
  });
  scene.worker();
  scene.bridge();
  const typed = (key: string, type: string) => ({
    key,
    value: '{"secret":"sesame"}',
    headers: { 'idempotency-key': key, 'event-type': type },
  });
  await scene.produce([typed('w', 'w'), typed('a', 'a'), typed('q', 'unknown')]);
  await scene.committedToEnd();
  // As the server has them: this test's client has no codec, and could not read the memos.
  const query = `(TaskQueue = "${scene.taskQueue}" OR TaskQueue = "${scene.taskQueue}-ktb") AND ExecutionStatus`;
  const list = async (status: string) => {
    const { executions } = await scene.client.workflowService.listWorkflowExecutions({
      namespace: scene.client.options.namespace,
      query: `${query} = "${status}"`,
    });
    return executions.map(({ execution }) => ({
      workflowId: execution?.workflowId ?? '',
      runId: execution?.runId ?? '',
    }));
  };
  const completed = await until(() => list('Completed'), {
    what: 'two to complete',
    timeoutMs: 180_000,
    accept: (seen) => seen.length === 2,
  });
  const failed = await until(() => list('Failed'), {
    what: 'the quarantine to fail',
    accept: (seen) => seen.length === 1,
  });
  for (const { workflowId, runId } of [...completed, ...failed]) {
    const { events } = await scene.client.workflow.getHandle(workflowId, runId).fetchHistory();
    const bytes = Buffer.concat(
      (events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? []).map(({ data }) =>
        Buffer.from(data ?? []),
      ),
    );
    t.true(bytes.length > 0);
    t.false(bytes.includes('sesame'), workflowId);
  }
});

test('records are found by the search attributes KtbRecord, KtbKey, KtbRoute and KtbOffset once they are registered', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  const { temporal } = await loadConfig({ file: scene.project.configPath, env: {} });
  await registerSearchAttributes(temporal);
  const again = await registerSearchAttributes(temporal);
  t.deepEqual(again.added, [], 'a second time it changes nothing');
  scene.worker();
  scene.bridge();
  await scene.produce([keyed('sought'), { ...keyed('poison'), value: '{' }]);
  await scene.committedToEnd();
  for (const query of [
    `KtbRecord = "${scene.topic}/0/0"`,
    `KtbKey = "sought" AND KtbRoute = "work"`,
    `KtbOffset = 0 AND KtbRoute = "work"`,
  ]) {
    const found = await until(() => scene.executions(query), {
      what: query,
      accept: (seen) => seen.length === 1,
    });
    t.is(found[0]!.workflowId, `${scene.name}:sought`);
  }
  const quarantined = await until(() => scene.executions(`KtbRecord = "${scene.topic}/0/1"`), {
    what: 'the quarantine',
    accept: (seen) => seen.length === 1,
  });
  t.is(quarantined[0]!.type, 'ktbQuarantine');
  t.like(quarantined[0]!.memo, {
    subscription: scene.name,
    topic: scene.topic,
    partition: 0,
    offset: '1',
    reason: 'undecodable',
  });
});

test('each call gets an AbortSignal that tells it when it is no longer wanted', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    routes: `[{ id: 'waits', topic: TOPIC, activity: 'waits', heartbeatTimeoutMs: 2000, retry: { maximumAttempts: 1 } }]`,
    activities: `
import { appendFileSync } from 'node:fs';
export async function waits(event, record, call) {
  appendFileSync(process.env.KTB_HANDLERS_RECORD, 'begun ' + call.attempt + '\\n');
  await new Promise((resolve) => call.signal.addEventListener('abort', resolve, { once: true }));
  appendFileSync(process.env.KTB_HANDLERS_RECORD, 'told\\n');
  throw call.signal.reason;
}
`,
  });
  const { readFileSync, existsSync } = await import('node:fs');
  const journal = scene.env['KTB_HANDLERS_RECORD']!;
  const lines = () => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);
  scene.worker();
  scene.bridge();
  await scene.produce([keyed('cancelled')]);
  await until(lines, {
    what: 'the call to begin',
    timeoutMs: 180_000,
    accept: (seen) => seen.includes('begun 1'),
  });
  await scene.client.workflow.getHandle(`${scene.name}:cancelled`).cancel();
  await until(lines, { what: 'the call to be told', accept: (seen) => seen.includes('told') });
  const { status } = await until(
    () => scene.client.workflow.getHandle(`${scene.name}:cancelled`).describe(),
    {
      what: 'the workflow to be cancelled',
      accept: (it) => it.status.name === 'CANCELLED',
    },
  );
  t.is(status.name, 'CANCELLED');
});
