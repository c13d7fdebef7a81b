import test from 'ava';
import { createScene, keyed } from '../faults/scene.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

const RECORDS = 120;

test('two subscriptions of one topic, each with its `idPrefix`, handle all records once each', async (t) => {
  await using first = await createScene();
  await using second = await createScene({ topic: first.topic });
  for (const scene of [first, second]) {
    scene.worker();
    scene.bridge();
  }
  await first.produce(Array.from({ length: RECORDS }, (_, n) => keyed(`k${n}`, { n }, n % 8)));
  for (const scene of [first, second]) {
    await scene.committedToEnd();
    const done = await until(() => scene.executions('ExecutionStatus = "Completed"'), {
      what: `all executions of ${scene.name}`,
      timeoutMs: 120_000,
      accept: (seen) => seen.length === RECORDS,
    });
    t.true(done.every(({ workflowId }) => workflowId.startsWith(`${scene.name}:k`)));
    t.is((await scene.executions()).length, RECORDS);
    t.is(scene.handled().calls.length, RECORDS);
  }
});

test('without an `idPrefix` the second subscription holds its route after twenty foreign keys, says which option is missing, and goes on by itself when started with it: nothing lost, nothing quarantined beyond those', async (t) => {
  // Keys of this test alone: both subscriptions use them as workflow IDs as they are.
  const run = unique('shared');
  await using first = await createScene({ partitions: 2, idPrefix: '' });
  await using second = await createScene({ topic: first.topic, idPrefix: '' });
  const keys = Array.from({ length: RECORDS }, (_, n) => `${run}-${n}`);
  first.worker();
  first.bridge();
  await first.produce(keys.map((key, n) => keyed(key, { n }, n % 2)));
  await first.committedToEnd();

  const without = second.bridge('bridge-without');
  second.worker();
  await without.waitForOutput(/"alert":"foreign".*idPrefix/);
  const quarantines = () => second.executions('WorkflowType = "ktbQuarantine"');
  const held = await until(quarantines, { what: 'twenty quarantines', accept: (seen) => seen.length === 20 });
  // It would go on within milliseconds if it did: every permit is free.
  await without.waitForOutput(/"held":\[\{"topic"/);
  t.is((await quarantines()).length, 20);
  await without.term();

  second.reconfigure({ idPrefix: `${second.name}:` });
  second.bridge('bridge-with');
  await second.committedToEnd();
  const started = await until(() => second.executions('WorkflowType = "work"'), {
    what: 'the records of the second subscription',
    timeoutMs: 180_000,
    accept: (seen) => seen.length >= RECORDS - 20,
  });
  const prefix = `${second.name}:`;
  const own = new Set(started.map(({ workflowId }) => workflowId.slice(prefix.length)));
  t.is(started.length, own.size, 'none twice');
  const quarantined = new Set(
    await Promise.all(
      held.map(async ({ workflowId, runId }) => {
        const [input] =
          (await second.client.workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
        const payload =
          input?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data ?? new Uint8Array();
        const { raw } = JSON.parse(Buffer.from(payload).toString()) as { raw: { key: string } };
        return Buffer.from(raw.key, 'base64').toString();
      }),
    ),
  );
  t.deepEqual(
    keys.filter((key) => !own.has(key) && !quarantined.has(key)),
    [],
    'nothing lost',
  );
  t.is((await quarantines()).length, 20, 'nothing quarantined beyond those');
});
