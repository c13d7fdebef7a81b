import test from 'ava';
import type { ResolvedConfig } from '../../bridge/config/resolved.js';
import { registerSearchAttributes } from '../../bridge/operate/setup.js';
import { parseRequestId } from '../../bridge/temporal/ids.js';
import { SdkTemporalPort } from '../../bridge/temporal/sdk-temporal-port.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';
import { testStack, unique } from '../helpers/stack.js';
import { connectTemporal, plainTemporal } from '../helpers/temporal.js';
import { until } from '../helpers/until.js';
import {
  startRequest,
  temporalPortContract,
  type PortUnderTest,
} from '../temporal/temporal-port-contract.js';

async function configOf(): Promise<ResolvedConfig['temporal']> {
  return plainTemporal((await testStack()).temporal);
}

let opened: Promise<PortUnderTest & { client: Awaited<ReturnType<typeof connectTemporal>> }> | undefined;

/** One port for all tests of this file. */
function open() {
  return (opened ??= (async () => {
    const config = await configOf();
    await registerSearchAttributes(config);
    const port = new SdkTemporalPort(config);
    const client = await connectTemporal((await testStack()).temporal);
    return {
      port,
      client,
      terminate: async (workflowId: string) =>
        void (await client.workflow.getHandle(workflowId).terminate('test')),
    };
  })());
}

test.after.always(async () => {
  const { port, client } = await open();
  await port.close();
  await client.connection.close();
});

temporalPortContract(test, open);

test("a start of the user's own holds its ID with a request ID that is not of our form", async (t) => {
  const { port, client } = await open();
  const workflowId = unique('elsewhere');
  const handle = await client.workflow.start('nobodyRunsThis', { workflowId, taskQueue: unique('queue') });
  const answer = await port.start(startRequest({ workflowId }));
  t.like(answer, { kind: 'taken', runId: handle.firstExecutionRunId });
  const requestId = answer.kind === 'taken' ? answer.requestId : undefined;
  t.is(typeof requestId, 'string');
  t.is(parseRequestId(requestId!), undefined);
});

test("labels and the user's own search attributes are set where the namespace has them", async (t) => {
  const { port, client } = await open();
  const { searchAttributes } = await port.capabilities();
  t.deepEqual([...searchAttributes].filter((name) => name.startsWith('Ktb')).sort(), [
    'KtbKey',
    'KtbOffset',
    'KtbRecord',
    'KtbRoute',
  ]);
  const key = unique('key');
  const request = startRequest({
    labels: { record: 'orders/3/42', key, route: 'placed', offset: 42n },
  });
  await port.start(request);
  const found = await until(
    async () => {
      for await (const one of client.workflow.list({ query: `KtbKey = '${key}'` })) return one;
      return undefined;
    },
    { what: 'the execution to be found by its key' },
  );
  t.is(found?.workflowId, request.workflowId);
  t.deepEqual(found?.searchAttributes['KtbOffset'], [42]);
  t.deepEqual(found?.searchAttributes['KtbRoute'], ['placed']);
  t.deepEqual(found?.searchAttributes['KtbRecord'], ['orders/3/42']);
});

test('a key of 10,000 bytes is bounded in its search attribute', async (t) => {
  const { port } = await open();
  const request = startRequest({ labels: { record: 'r', key: 'ä'.repeat(5000), route: 'r', offset: 1n } });
  t.is((await port.start(request)).kind, 'started');
});

test('a server that is away is a systemic fault, and the port can be made meanwhile', async (t) => {
  const port = new SdkTemporalPort(
    { ...(await configOf()), address: '127.0.0.1:1' },
    { callTimeoutMs: 1000 },
  );
  for (const call of [
    port.start(startRequest()),
    port.describe('x'),
    port.backlog('x'),
    port.capabilities(),
  ]) {
    const fault = await t.throwsAsync(call, { instanceOf: TemporalFault });
    t.is(fault?.kind, 'systemic');
  }
  await port.close();
});

test('a namespace that is missing is a systemic fault, of every call', async (t) => {
  const port = new SdkTemporalPort({ ...(await configOf()), namespace: unique('nowhere') });
  for (const call of [
    port.start(startRequest()),
    port.describe('x'),
    port.backlog('x'),
    port.capabilities(),
  ]) {
    const fault = await t.throwsAsync(call, { instanceOf: TemporalFault });
    t.is(fault?.kind, 'systemic');
    t.is(fault?.status, 'NOT_FOUND');
  }
  await port.close();
});

test("an event that can't be converted is rejected, and a codec that fails is systemic", async (t) => {
  const { port } = await open();
  const fault = await t.throwsAsync(port.start(startRequest({ args: [10n] })), { instanceOf: TemporalFault });
  t.is(fault?.kind, 'rejected');
  const failing = {
    encode: () => Promise.reject(new Error('the key server is away')),
    decode: async () => [],
  };
  const coded = new SdkTemporalPort({ ...(await configOf()), dataConverter: { payloadCodecs: [failing] } });
  const second = await t.throwsAsync(coded.start(startRequest()), { instanceOf: TemporalFault });
  t.is(second?.kind, 'systemic');
  await coded.close();
});

test('an event is measured as it is sent: after the codec', async (t) => {
  const { blobSizeLimitBytes } = await (await open()).port.capabilities();
  const shrink = {
    encode: async <T extends { data?: Uint8Array | null }>(payloads: T[]): Promise<T[]> =>
      payloads.map((one) => ({ ...one, data: Buffer.from('"small"') })),
    decode: async <T>(payloads: T[]): Promise<T[]> => payloads,
  };
  const port = new SdkTemporalPort({ ...(await configOf()), dataConverter: { payloadCodecs: [shrink] } });
  t.is((await port.start(startRequest({ args: ['x'.repeat(blobSizeLimitBytes + 1)] }))).kind, 'started');
  await port.close();
});

test("the UI's line and details are set; a line that a codec makes longer than the server takes is left out", async (t) => {
  const { port, client } = await open();
  const shown = { summary: 'orders/3/42 order.placed', details: 'Mend it and **Reset**.' };
  const plain = startRequest(shown);
  await port.start(plain);
  const found = await client.workflow.getHandle(plain.workflowId).describe();
  t.is(await found.staticSummary(), shown.summary);
  t.is(await found.staticDetails(), shown.details);
  const wide = {
    encode: async <T extends { data?: Uint8Array | null }>(payloads: T[]): Promise<T[]> =>
      payloads.map((one) => ({ ...one, data: Buffer.from(JSON.stringify('x'.repeat(500))) })),
    decode: async <T>(payloads: T[]): Promise<T[]> => payloads,
  };
  const coded = new SdkTemporalPort({ ...(await configOf()), dataConverter: { payloadCodecs: [wide] } });
  const encoded = startRequest(shown);
  t.is((await coded.start(encoded)).kind, 'started');
  await coded.close();
  const without = await client.workflow.getHandle(encoded.workflowId).describe();
  t.is(await without.staticSummary(), undefined);
  t.is((await without.staticDetails())?.length, 500, 'the details have room');
});
