import test from 'ava';
import { countsOf, createScene, keyed } from '../faults/scene.js';
import { historyOf } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';

const delayed = (key: string, notBefore: string | number, type = 'workflow') => ({
  ...keyed(key),
  headers: { 'idempotency-key': key, 'event-type': type, 'not-before': String(notBefore) },
});

test('a delayed record starts when it is due, on a workflow and on an activity route, and is committed long before', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    // Were delayed starts counted as tasks that wait, a backlog of one would let nothing else through.
    config: 'maxBacklog: 1,',
    routes: `[{ id: 'activity', topic: TOPIC, eventType: 'activity', activity: 'handle' }, { id: 'work', topic: TOPIC, workflow: 'work' }]`,
  });
  const worker = scene.worker();
  const bridge = scene.bridge();
  await Promise.all([worker.waitForOutput(/"polling"/), bridge.waitForOutput(/joined the group/)]);
  const due = Date.now() + 12_000;
  await scene.produce([
    delayed('workflow', due),
    delayed('activity', new Date(due).toISOString(), 'activity'),
    delayed('far', Date.now() + 300 * 86_400_000),
    delayed('past', Date.now() - 60_000),
  ]);
  await scene.committedToEnd();
  t.regex(await scene.client.workflow.getHandle(`${scene.name}:past`).result(), /^handled/);
  for (const key of ['workflow', 'activity', 'far']) {
    const { status, historyLength } = await scene.client.workflow
      .getHandle(`${scene.name}:${key}`)
      .describe();
    t.is(status.name, 'RUNNING', key);
    t.is(historyLength, 1, 'no task waits for a worker yet');
  }
  t.true(Date.now() < due, 'all of this was before they were due');
  for (const key of ['workflow', 'activity']) {
    const handle = scene.client.workflow.getHandle(`${scene.name}:${key}`);
    t.regex(await handle.result(), /^handled/);
    const { events } = await historyOf(scene.client, handle.workflowId);
    const began = events?.find((event) => event.workflowTaskScheduledEventAttributes)?.eventTime?.seconds;
    t.true(Number(began) * 1000 >= due - 1000, `${key} began when it was due`);
  }
  t.is((await scene.client.workflow.getHandle(`${scene.name}:far`).describe()).status.name, 'RUNNING');
});

test('a delayed record that comes again is met, and started once', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  const bridge = scene.bridge();
  const record = delayed('twice', Date.now() + 3_000);
  await scene.produce([record, record]);
  await scene.committedToEnd();
  await until(() => countsOf(bridge), {
    what: 'both outcomes',
    accept: (counts) => counts['started'] === 1 && counts['duplicate'] === 1,
  });
  t.regex(await scene.client.workflow.getHandle(`${scene.name}:twice`).result(), /^handled/);
  t.is(scene.handled().calls.length, 1);
});

test('a delay that can not be read is quarantined with the reason', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  scene.worker();
  scene.bridge();
  await scene.produce([delayed('soon', 'soon'), delayed('never', Date.now() + 1_000 * 86_400_000)]);
  await scene.committedToEnd();
  const failed = await until(
    () => scene.executions('WorkflowType = "ktbQuarantine" AND ExecutionStatus = "Failed"'),
    {
      what: 'two quarantines',
      accept: (seen) => seen.length === 2,
    },
  );
  const messages = await Promise.all(
    failed.map(async ({ workflowId }) => {
      const { events } = await historyOf(scene.client, workflowId);
      return events?.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.message ?? '';
    }),
  );
  t.true(
    messages.some((message) => message.endsWith('got "soon"')),
    messages.join('\n'),
  );
  t.true(
    messages.some((message) => /at most 366 days ahead/.test(message)),
    messages.join('\n'),
  );
});

test('a record that is too old is counted and committed, and starts nothing; `onExpired` makes it visible', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    routes: `[
      { id: 'visible', topic: TOPIC, eventType: 'visible', workflow: 'work', maxAgeMs: 60000, onExpired: 'quarantine' },
      { id: 'work', topic: TOPIC, workflow: 'work', maxAgeMs: 60000 },
    ]`,
  });
  scene.worker();
  const bridge = scene.bridge();
  const old = { timestamp: Date.now() - 120_000 };
  await scene.produce([
    { ...keyed('old'), ...old },
    { ...delayed('seen', '', 'visible'), ...old },
    { ...delayed('due-lately', Date.now() - 1_000), ...old },
    keyed('fresh'),
  ]);
  await scene.committedToEnd();
  await until(() => countsOf(bridge), {
    what: 'four outcomes',
    accept: (counts) => counts['expired'] === 1 && counts['quarantined'] === 1 && counts['started'] === 2,
  });
  const executions = await until(() => scene.executions(), {
    what: 'three executions',
    accept: (seen) => seen.length === 3,
  });
  t.deepEqual(
    executions
      .filter(({ type }) => type === 'work')
      .map(({ workflowId }) => workflowId.slice(scene.name.length + 1))
      .toSorted((a, b) => a.localeCompare(b)),
    ['due-lately', 'fresh'],
  );
});
