/** Workflows that publish: where the event stands, under which key, and what becomes of it a second time. */
import test from 'ava';
import { createScene, keyed, type Scene } from '../faults/scene.js';
import { createTopic, readAll } from '../helpers/kafka.js';
import { historyOf, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

interface Published {
  readonly scene: Scene;
  readonly out: string;
  readonly read: () => Promise<
    readonly { readonly key: string; readonly value: string; readonly record: string | null }[]
  >;
}

async function publishing(
  workflows: string,
  more: Parameters<typeof createScene>[0] = {},
): Promise<Published & AsyncDisposable> {
  const scene = await createScene({ partitions: 1, workflows: workflows, ...more });
  const out = `${scene.taskQueue}.out`;
  const { brokers } = scene.stack.kafka;
  await createTopic(brokers, out, { partitions: 2 });
  scene.worker();
  return {
    scene,
    out,
    read: async () =>
      (await readAll(brokers, out)).map(({ headers, value, key }) => ({
        key: String(headers['idempotency-key']),
        value: String(value),
        record: key && String(key),
      })),
    [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose](),
  };
}

const closed = async ({ client }: Scene, workflowId: string, runId?: string) =>
  until(() => client.workflow.getHandle(workflowId, runId).describe(), {
    what: `${workflowId} to close`,
    accept: ({ status }) => status.name !== 'RUNNING',
  });

const failureOf = async ({ client }: Scene, workflowId: string, runId?: string) => {
  const { events } = await historyOf(client, workflowId, runId);
  return events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure;
};

const HEAD = `
import { ApplicationFailure, continueAsNew, proxyActivities, workflowInfo } from '@temporalio/workflow';
import { publish, publishAll } from 'kafka-temporal-bridge/workflow';
const out = () => workflowInfo().taskQueue + '.out';
`;

test('an event is published where the result says, with a key of subscription, route, record key and name', async (t) => {
  await using published = await publishing(`${HEAD}
export async function work(event) {
  return publish(out(), { n: event.n }, { key: 'k', headers: { 'event-type': 'worked' }, priority: 'high' });
}`);
  const { scene } = published;
  scene.bridge();
  await scene.produce([keyed('A/1', { n: 7 })]);
  await until(() => scene.executions(), { what: 'the execution', accept: (seen) => seen.length === 1 });
  const place = (await scene.client.workflow.getHandle(`${scene.name}:A/1`).result()) as {
    topic: string;
    partition: number;
    offset: string;
  };
  const [message, ...others] = await readAll(scene.stack.kafka.brokers, published.out);
  t.is(others.length, 0);
  t.like(place, { topic: published.out, partition: message!.partition, offset: String(message!.offset) });
  t.is(String(message!.value), '{"n":7}');
  t.is(String(message!.key), 'k');
  const headers = Object.fromEntries(
    Object.entries(message!.headers).map(([name, value]) => [name, String(value)]),
  );
  t.like(headers, {
    'idempotency-key': `record/${scene.name}/work/A%2f1/`,
    'event-type': 'worked',
    priority: 'high',
  });
});

test('several events are one transaction, in the order given, each with its own key', async (t) => {
  await using published = await publishing(`${HEAD}
export async function work(event) {
  return publishAll([1, 2, 3].map((n) => ({ topic: out(), event: { n }, name: 'part-' + n, key: 'k' + n })));
}`);
  const { scene } = published;
  scene.bridge();
  await scene.produce([keyed('A', { n: 1 }), keyed('B', { n: 2 })]);
  await until(() => scene.executions(), {
    what: 'both executions',
    accept: (seen) => seen.length === 2 && seen.every(({ status }) => status.name === 'COMPLETED'),
  });
  const read = await published.read();
  t.is(read.length, 6);
  t.deepEqual(
    read.map(({ key }) => key).sort(),
    ['A', 'B'].flatMap((key) => [1, 2, 3].map((n) => `record/${scene.name}/work/${key}/part-${n}`)),
  );
  const places = (await scene.client.workflow.getHandle(`${scene.name}:A`).result()) as {
    offset: string;
    partition: number;
  }[];
  const all = await readAll(scene.stack.kafka.brokers, published.out);
  for (const [index, { partition, offset }] of places.entries()) {
    const found = all.find((one) => one.partition === partition && String(one.offset) === offset);
    t.is(String(found?.value), JSON.stringify({ n: index + 1 }));
  }
});

test('a second publish without a name fails the workflow, and says what to do', async (t) => {
  await using published = await publishing(`${HEAD}
export async function work(event) {
  await publish(out(), 'first');
  await publish(out(), 'second');
}
export async function named(event) {
  await publish(out(), 'first', { name: 'x' });
  const again = await publish(out(), 'first', { name: 'x' });
  await publish(out(), 'other', { name: 'x' });
}`);
  const { scene } = published;
  const { client, taskQueue } = scene;
  for (const [type, message] of [
    ['work', /Expected each event that this workflow publishes to have a `name` of its own, got none/],
    [
      'named',
      /Expected each event that this workflow publishes to have a `name` of its own, got 'x' for two events/,
    ],
  ] as const) {
    const workflowId = `${scene.name}-${type}`;
    await client.workflow.start(type, { taskQueue, workflowId, args: [{}] });
    t.is((await closed(scene, workflowId)).status.name, 'FAILED');
    const failure = await failureOf(scene, workflowId);
    t.regex(failure?.message ?? '', message);
    t.like(failure?.applicationFailureInfo, { type: 'KTB_USAGE', nonRetryable: true });
  }
  t.deepEqual(
    (await published.read()).map(({ value }) => value),
    ['"first"', '"first"'],
  );
});

test('a Reset publishes under the same key, in a workflow of a record and in one that no record started', async (t) => {
  await using published = await publishing(`${HEAD}
export async function work(event) {
  await publish(out(), event);
}`);
  const { scene } = published;
  const { client, taskQueue } = scene;
  scene.bridge();
  await scene.produce([keyed('A', { n: 1 })]);
  await until(() => scene.executions(), { what: 'the execution', accept: (seen) => seen.length === 1 });
  const own = `${scene.name}-own`;
  const { firstExecutionRunId } = await client.workflow.start('work', {
    taskQueue,
    workflowId: own,
    args: [{ n: 2 }],
  });
  for (const workflowId of [`${scene.name}:A`, own]) {
    await closed(scene, workflowId);
    const runId = await resetTo(client, workflowId, 4);
    t.is((await closed(scene, workflowId, runId)).status.name, 'COMPLETED');
    // And a Reset of what was reset.
    const third = await resetTo(client, workflowId, 4, 'test', runId);
    t.is((await closed(scene, workflowId, third)).status.name, 'COMPLETED');
  }
  const keys = (await published.read()).map(({ key }) => key).sort();
  t.deepEqual(keys, [
    ...Array.from({ length: 3 }, () => `record/${scene.name}/work/A/`),
    ...Array.from({ length: 3 }, () => `run/${own}/${firstExecutionRunId}/`),
  ]);
});

test('every run of a chain publishes events of its own, the same ones in its retries and Resets, also where an earlier run is reset', async (t) => {
  await using published = await publishing(`${HEAD}
export async function work(run) {
  await publish(out(), run, { name: 'step' });
  const { attempt } = workflowInfo();
  if (attempt < 3) throw ApplicationFailure.create({ message: 'not this time' });
  if (run < 1) await continueAsNew(run + 1);
}`);
  const { scene } = published;
  const { client, taskQueue } = scene;
  const workflowId = `${scene.name}-chain`;
  const { firstExecutionRunId: first } = await client.workflow.start('work', {
    taskQueue,
    workflowId,
    args: [0],
    retry: { initialInterval: '50ms', maximumAttempts: 5 },
  });
  const done = (runId?: string) =>
    until(() => client.workflow.getHandle(workflowId, runId, { followRuns: false }).describe(), {
      what: `run ${runId ?? 'last'} to complete`,
      accept: ({ status }) => status.name === 'COMPLETED',
    });
  const last = await done();
  const [third] = await until(() => scene.executions('ExecutionStatus = "ContinuedAsNew"'), {
    what: 'visibility of the run that continued as new',
    accept: ({ length }) => length === 1,
  });
  // The last run, and then the one that continued as new, which continues once more.
  await done(await resetTo(client, workflowId, 4, 'test', last.runId));
  await resetTo(client, workflowId, 4, 'test', third!.runId);
  await until(() => published.read(), {
    what: 'eleven publishes: three attempts of each run, the last one of both again, and three behind',
    everyMs: 1_000,
    accept: ({ length }) => length >= 11,
  });
  const keys = (await published.read()).map(({ key, value }) => `${value} ${key}`);
  t.deepEqual([...new Set(keys)].sort(), [
    `0 run/${workflowId}/${first}/step`,
    `1 run/${workflowId}/${first}/1/step`,
  ]);
});

test('what Kafka does not take fails the workflow with the reason; of a transaction nothing is published', async (t) => {
  await using published = await publishing(`${HEAD}
export async function work() {}
export async function one() {
  await publish(out() + '.missing', 1);
}
export async function several() {
  await publishAll([
    { topic: out(), event: 1, name: 'a' },
    { topic: out(), event: 'x'.repeat(1_200_000), name: 'b' },
  ]);
}`);
  const { scene } = published;
  const { client, taskQueue } = scene;
  for (const [type, code, message] of [
    ['one', 'KTB_DEAD_LETTERED', /there is no such topic/],
    ['several', 'KTB_KAFKA', /The transaction was not committed: the broker answers MESSAGE_TOO_LARGE/],
  ] as const) {
    const workflowId = `${scene.name}-${type}`;
    await client.workflow.start(type, { taskQueue, workflowId });
    t.is((await closed(scene, workflowId)).status.name, 'FAILED');
    const cause = (await failureOf(scene, workflowId))?.cause;
    t.regex(cause?.message ?? '', message);
    t.like(cause?.applicationFailureInfo, { type: code, nonRetryable: true });
  }
  t.deepEqual(await published.read(), []);
});
