import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { createScene, type Scene } from '../faults/scene.js';
import { committedOffsets, createTopic, logEnds, readAll, type ReadMessage } from '../helpers/kafka.js';
import { historyOf, resetTo } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const ROUTES = `[
  { id: 'failing', topic: TOPIC, eventType: 'failing', activity: 'handle', retry: { maximumAttempts: 1 }, deadLetterTopic: true },
  { id: 'slow', topic: TOPIC, eventType: 'slow', workflow: 'waits', options: { workflowExecutionTimeout: '1 second' }, deadLetterTopic: true },
  { id: 'endless', topic: TOPIC, eventType: 'endless', workflow: 'waits', deadLetterTopic: true },
  { id: 'decoded', topic: TOPIC, eventType: 'decoded', workflow: 'waits', deadLetterTopic: true,
    decoder: () => { throw new Error('the decoder is broken'); } },
  { id: 'reader', topic: TOPIC + '.dlq', activity: 'reads' },
  { id: 'large', topic: TOPIC, eventType: 'large', activity: 'handle', retry: { maximumAttempts: 1 }, deadLetterTopic: TOPIC + '.small' },
  { id: 'quiet', topic: TOPIC, eventType: 'quiet', activity: 'handle', retry: { maximumAttempts: 1 } },
]`;

const WORKFLOWS = `
import { condition } from '@temporalio/workflow';
export async function waits(event, record) { await condition(() => false); }
`;

const ACTIVITIES = `
import { appendFileSync, existsSync } from 'node:fs';
import { ApplicationFailure } from '@temporalio/common';
export async function handle(event, record) {
  if (existsSync(process.env.KTB_HANDLERS_RECORD + '.' + record.idempotencyKey)) return 'handled';
  throw ApplicationFailure.nonRetryable('card was refused\\nby ' + event.key, 'CardRefused');
}
export async function reads(event, record) {
  appendFileSync(process.env.KTB_HANDLERS_RECORD + '.read', record.idempotencyKey + '\\n');
}
`;

const UI = 'http://ui.test';

/** One project for the tests of this file but those that kill. */
let scene: Scene;

const open = () =>
  createScene({
    partitions: 2,
    routes: ROUTES,
    workflows: WORKFLOWS,
    activities: ACTIVITIES,
    config: `uiUrl: '${UI}',`,
  });

test.before(async () => {
  scene = await open();
  await createTopic(scene.stack.kafka.brokers, `${scene.topic}.small`, {
    config: { 'max.message.bytes': '3000' },
  });
  scene.worker();
  scene.bridge();
});

test.after.always(async () => {
  await scene?.[Symbol.asyncDispose]();
});

const recordOf = (key: string, eventType: string) => ({
  partition: 1,
  key,
  value: JSON.stringify({ key }),
  headers: { 'idempotency-key': key, 'event-type': eventType },
});

const headerOf = (letter: ReadMessage, name: string) => letter.headers[name]?.toString();

async function lettersOf({ stack, topic }: Scene, key: string): Promise<readonly ReadMessage[]> {
  const all = await readAll(stack.kafka.brokers, `${topic}.dlq`).catch(() => []);
  return all.filter((one) => one.key?.toString() === key);
}

/** The group has read the topic to its end. */
const committedTo = ({ stack, groupId }: Scene, topic: string) =>
  until(
    async () => {
      const ends = await logEnds(stack.kafka.brokers, topic);
      const committed = await committedOffsets(stack.kafka.brokers, groupId, topic);
      return ends.every(({ partition, offset }) =>
        committed.some((one) => one.partition === partition && one.offset === offset),
      );
    },
    { what: `the group to have read ${topic}`, timeoutMs: 60_000 },
  );

const published = (it: Scene, key: string, count = 1) =>
  until(() => lettersOf(it, key), {
    what: `${count} of ${key} in the topic of dead letters`,
    timeoutMs: 120_000,
    everyMs: 500,
    accept: (found) => found.length >= count,
  });

const ended = (it: Scene, key: string, status: string) =>
  until(async () => (await it.client.workflow.getHandle(`${it.name}:${key}`).describe()).status.name, {
    what: `${key} to be ${status}`,
    timeoutMs: 60_000,
    accept: (found) => found === status,
  }).catch(() => undefined);

/** Runs it again from its first task, as `ktb replay --from start` does. */
async function replay(it: Scene, key: string): Promise<string> {
  const { events = [] } = await historyOf(it.client, `${it.name}:${key}`);
  const task = events!.find((event) => event.workflowTaskCompletedEventAttributes);
  return resetTo(it.client, `${it.name}:${key}`, Number(task!.eventId));
}

test('what failed, timed out, was terminated or quarantined is published with its bytes, reason and link', async (t) => {
  const keys = { f1: 'failing', s1: 'slow', e1: 'endless', d1: 'decoded' };
  const places = await scene.produce(Object.entries(keys).map(([key, type]) => recordOf(key, type)));
  const handle = scene.client.workflow.getHandle(`${scene.name}:e1`);
  await until(() => handle.describe().catch(() => undefined), { what: 'e1 to run' });
  await handle.terminate('by hand');
  const expected = {
    f1: ['failed', /^card was refused\\u000aby f1$/, 'CardRefused'],
    s1: ['timedOut', /timed out/, 'TimeoutFailure'],
    e1: ['terminated', /^by hand$/, 'TerminatedFailure'],
    d1: ['quarantined', /the decoder is broken/, 'Ktb.undecodable'],
  } as const;
  for (const [index, [key, [status, message, type]]] of Object.entries(expected).entries()) {
    const [letter, ...more] = await published(scene, key);
    const header = (name: string) => headerOf(letter!, name);
    t.is(more.length, 0, key);
    t.is(letter!.value?.toString(), JSON.stringify({ key }));
    t.is(header('event-type'), keys[key as keyof typeof keys], 'its own headers are there');
    t.is(header('workflow-status'), status);
    t.regex(header('error-message')!, message);
    t.is(header('error-type'), type);
    t.is(header('original-from'), 'kafka');
    t.is(header('original-idempotency-key'), key);
    t.deepEqual(
      ['original-topic', 'original-partition', 'original-offset'].map(header),
      [scene.topic, '1', String(places[index]!.offset)],
      key,
    );
    const workflowId = header('workflow-id')!;
    const { runId, closeTime } = await scene.client.workflow.getHandle(workflowId).describe();
    t.is(header('run-id'), runId);
    t.is(header('idempotency-key'), `dead-letter/${runId}`);
    t.is(header('error-timestamp'), String(closeTime!.getTime()));
    t.is(
      header('link'),
      `${UI}/namespaces/${scene.stack.temporal.namespace}/workflows/${encodeURIComponent(workflowId)}/${runId}/history`,
    );
  }
});

test('a replay that fails again is published under a key of its own, and one that goes through is not; nor is a route without the option', async (t) => {
  await scene.produce([recordOf('again', 'failing'), recordOf('quiet', 'quiet')]);
  const [first] = await published(scene, 'again');
  const second = await replay(scene, 'again');
  const both = await published(scene, 'again', 2);
  t.deepEqual(
    both.map((one) => headerOf(one, 'run-id')!).toSorted(),
    [headerOf(first!, 'run-id')!, second].toSorted(),
  );
  t.is(new Set(both.map((one) => headerOf(one, 'idempotency-key'))).size, 2);
  writeFileSync(`${scene.env['KTB_HANDLERS_RECORD']}.again`, '');
  await replay(scene, 'again');
  await ended(scene, 'again', 'COMPLETED');
  // What failed later is published: so what had failed before would have been.
  await scene.produce([recordOf('after', 'failing')]);
  await published(scene, 'after');
  t.is((await lettersOf(scene, 'again')).length, 2);
  t.deepEqual(await lettersOf(scene, 'quiet'), []);
});

test('a record that is too large for the topic of its dead letters is published as far as it fits', async (t) => {
  const { brokers } = scene.stack.kafka;
  const small = `${scene.topic}.small`;
  const value = JSON.stringify({ key: 'l1', pad: randomBytes(20_000).toString('base64') });
  await scene.produce([{ ...recordOf('l1', 'large'), value }]);
  const [letter] = await until(() => readAll(brokers, small), {
    what: 'it in the topic',
    timeoutMs: 60_000,
    accept: (all) => all.length > 0,
  });
  t.is(letter!.value?.toString(), value.slice(0, 64));
  t.is(headerOf(letter!, 'original-size'), String(value.length));
  t.is(headerOf(letter!, 'workflow-id'), `${scene.name}:l1`);
});

test('with two bridges, both killed again and again, no dead letter is forgotten, and what is published twice has the same key', async (t) => {
  const killed = await open();
  try {
    killed.worker();
    const keys = Array.from({ length: 60 }, (_, index) => `k${index}`);
    await killed.produce(keys.map((key, index) => ({ ...recordOf(key, 'failing'), partition: index % 2 })));
    const seen = async () => {
      const letters = await readAll(killed.stack.kafka.brokers, `${killed.topic}.dlq`).catch(() => []);
      return new Map(letters.map((one) => [headerOf(one, 'run-id')!, headerOf(one, 'idempotency-key')!]));
    };
    for (let round = 0; round < 3; round++) {
      const bridges = [killed.bridge(`one-${round}`), killed.bridge(`two-${round}`)];
      const before = (await seen()).size;
      await until(async () => (await seen()).size, {
        what: 'something to be published',
        timeoutMs: 60_000,
        everyMs: 200,
        accept: (size) => size > before || size === keys.length,
      });
      for (const one of bridges) await one.kill();
    }
    killed.bridge('last');
    await killed.committedToEnd();
    const failed = await until(() => killed.executions('ExecutionStatus = "Failed"'), {
      what: 'all to have failed',
      timeoutMs: 120_000,
      accept: (all) => all.length === keys.length,
    });
    const runs = failed.map(({ runId }) => runId).toSorted();
    const found = await until(seen, {
      what: 'all to be published',
      timeoutMs: 120_000,
      everyMs: 500,
      accept: (all) => all.size >= runs.length,
    });
    t.deepEqual([...found.keys()].toSorted(), runs);
    for (const [run, key] of found) t.is(key, `dead-letter/${run}`);
    const read = () =>
      readFileSync(`${killed.env['KTB_HANDLERS_RECORD']}.read`, 'utf8').trim().split('\n').toSorted();
    await until(() => read().length, {
      what: 'a bridge to have read them all',
      timeoutMs: 120_000,
      accept: (count) => count >= runs.length,
    });
    await committedTo(killed, `${killed.topic}.dlq`);
    t.deepEqual(read(), [...found.values()].toSorted(), 'each once, however often it was published');
  } finally {
    await killed[Symbol.asyncDispose]();
  }
});
