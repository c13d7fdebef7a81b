import test from 'ava';
import { ensureNamespace } from '../../bridge/local-stack/temporal-namespace.js';
import { SdkInspectorPort } from '../../bridge/temporal/sdk-inspector-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, plainTemporal } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';
import { inspectorPortContract } from '../temporal/inspector-port-contract.js';

const settings = async (namespace: string) => plainTemporal({ ...(await testStack()).temporal, namespace });

let opened: Promise<{ port: SdkInspectorPort; namespace: string }> | undefined;

/** A namespace of its own: search attributes stay in it. */
function open() {
  return (opened ??= (async () => {
    const { address } = (await testStack()).temporal;
    const namespace = unique('inspected');
    await ensureNamespace({
      address,
      namespace,
      retentionMs: 259_200_000,
      signal: new AbortController().signal,
    });
    return { port: new SdkInspectorPort(await settings(namespace)), namespace };
  })());
}

test.after.always(async () => (await open()).port.close());

inspectorPortContract(test, async () => (await open()).port);

test('what was started from a topic is found by its memo, but for the queues that are left out', async (t) => {
  const { port, namespace } = await open();
  const { address } = (await testStack()).temporal;
  await port.addSearchAttributes(new Map([['KtbRecord', 'Keyword']] as const));
  const client = await connectTemporal({ address, namespace });
  const topic = unique('topic');
  for (const [index, taskQueue] of ['ours', 'theirs'].entries()) {
    await client.workflow.start('nobodyRunsThis', {
      workflowId: `p:${taskQueue}`,
      taskQueue,
      memo: { subscription: `s-${taskQueue}`, route: 'r', key: taskQueue },
      // As a bridge of an older SDK would set it: by name alone.
      searchAttributes: { KtbRecord: [`${topic}/0/${index}`] },
    });
  }
  const all = await until(() => port.startedFrom(topic, { notOn: [], limit: 10 }), {
    what: 'both to be visible',
    accept: (found) => found.length === 2,
  });
  for (const name of ['s-ours', 's-theirs']) t.true(all.some(({ subscription }) => subscription === name));
  t.deepEqual(await port.startedFrom(topic, { notOn: ['ours'], limit: 10 }), [
    { workflowId: 'p:theirs', subscription: 's-theirs', route: 'r', key: 'theirs' },
  ]);
  t.is((await port.startedFrom(topic, { notOn: [], limit: 1 })).length, 1);
  await client.connection.close();
});

test('a namespace that is missing, and a server that is away, are faults that name the cause', async (t) => {
  const missing = new SdkInspectorPort(await settings(unique('nowhere')));
  const fault = await t.throwsAsync(missing.namespace(), { instanceOf: TemporalFault });
  t.is(fault?.status, 'NOT_FOUND');
  await missing.close();
  const away = new SdkInspectorPort({ ...(await settings('default')), address: '127.0.0.1:1' });
  const refused = await t.throwsAsync(away.namespace(), { instanceOf: TemporalFault });
  t.regex(refused?.message ?? '', /ECONNREFUSED/);
  await away.close();
});
