import type { TestFn } from 'ava';
import type { InspectorPort, Probe } from '../../bridge/temporal/inspector-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { unique } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

function probe(fields: Partial<Probe> = {}): Probe {
  return {
    workflowId: `ktb/s/probe/${unique('Probe')}`,
    taskQueue: unique('queue'),
    priorityKey: 1,
    ...fields,
  };
}

/** What every inspector promises: run against the real server (a namespace of its own) and against the double. */
export function inspectorPortContract(test: TestFn, open: () => Promise<InspectorPort>): void {
  test('server and namespace say what they are', async (t) => {
    const port = await open();
    const { version, persistence } = await port.server();
    t.regex(version, /^\d+\.\d+/);
    t.is(persistence, 'sqlite');
    const { retentionMs, blobSizeLimitBytes, capabilities } = await port.namespace();
    t.is(retentionMs, 259_200_000);
    t.true(blobSizeLimitBytes >= 1024 * 1024);
    t.true(capabilities.includes('standaloneActivities'));
    t.deepEqual([...capabilities].sort(), capabilities);
  });

  test('search attributes that were added are there, by their types', async (t) => {
    const port = await open();
    t.is((await port.searchAttributes()).get('ContractText'), undefined);
    await port.addSearchAttributes(
      new Map([
        ['ContractText', 'Text'],
        ['ContractInt', 'Int'],
      ] as const),
    );
    const known = await until(() => port.searchAttributes(), {
      what: 'the search attributes to be known',
      accept: (found) => found.has('ContractText') && found.has('ContractInt'),
    });
    t.is(known.get('ContractText'), 'Text');
    t.is(known.get('ContractInt'), 'Int');
  });

  test('a queue that nobody polls has no pollers and no backlog', async (t) => {
    const port = await open();
    for (const kind of ['workflow', 'activity'] as const) {
      const { pollers, backlog, backlogByPriority } = await port.taskQueue(unique('queue'), kind);
      t.deepEqual(pollers, []);
      t.is(backlog, 0);
      t.deepEqual(
        [...backlogByPriority].filter(([, count]) => count > 0),
        [],
      );
    }
  });

  test('a probe is found by its ID only, its task waits under its priority, and it can be removed', async (t) => {
    const port = await open();
    const wanted = probe();
    const runId = await port.startProbe(wanted);
    t.is(await port.runOf(wanted.workflowId), runId);
    t.is(await port.runOf(wanted.workflowId.toUpperCase()), undefined);
    const { backlogByPriority, backlog } = await until(() => port.taskQueue(wanted.taskQueue, 'workflow'), {
      what: 'the task to wait',
      accept: (facts) => facts.backlog > 0,
    });
    t.is(backlog, 1);
    t.deepEqual(
      [...backlogByPriority].filter(([, count]) => count > 0),
      [[1, 1]],
    );
    await port.removeProbe(wanted.workflowId, runId);
    await until(() => port.runOf(wanted.workflowId), {
      what: 'the probe to be gone',
      accept: (run) => run === undefined,
    });
  });

  test('an ID over the limit of the server is refused, and what it says is a fault', async (t) => {
    const port = await open();
    const fault = await t.throwsAsync(
      port.startProbe(probe({ workflowId: `ktb/s/probe/${'x'.repeat(2000)}` })),
      { instanceOf: TemporalFault },
    );
    t.regex(fault?.message ?? '', /exceeds maximum allowed length/);
  });

  test('of a topic from which nothing was started nothing is found', async (t) => {
    const port = await open();
    await port.addSearchAttributes(new Map([['KtbRecord', 'Keyword']] as const));
    const found = await until(() => port.startedFrom(unique("topic's"), { notOn: ['a', "b's"], limit: 5 }), {
      what: 'an answer',
      accept: () => true,
    });
    t.deepEqual(found, []);
  });
}
