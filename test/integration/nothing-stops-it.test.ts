import { createHash } from 'node:crypto';
import test from 'ava';
import kafkajs from 'kafkajs';
import { createScene, type Scene } from '../faults/scene.js';
import { rssBytes } from '../faults/process.js';
import { kafkaClient, type TestMessage } from '../helpers/kafka.js';
import { until } from '../helpers/until.js';

const { CompressionCodecs, CompressionTypes } = kafkajs;

interface Case {
  readonly title: string;
  readonly message: TestMessage;
  readonly outcome: string;
  /** What its reason says, or how its workflow ID ends. */
  readonly reason?: RegExp;
  readonly id?: (scene: Scene) => string;
}

const json = (key: string, value: unknown = {}): TestMessage => ({
  key,
  value: JSON.stringify(value),
  headers: { 'idempotency-key': key, 'event-type': 'known' },
});
const withKey = (key: string | Buffer): TestMessage => ({
  key: 'any',
  value: '{}',
  headers: { 'idempotency-key': key, 'event-type': 'known' },
});
const shortened = (scene: Scene, key: string) => {
  const id = `${scene.name}:${key}`;
  return `${id.slice(0, 180)}~${createHash('sha256').update(id).digest('hex')}`;
};

const CASES: readonly Case[] = [
  {
    title: 'a value that is not JSON',
    message: { ...json('not-json'), value: 'surely not {' },
    outcome: 'quarantined',
    reason: /Expected JSON/,
  },
  {
    title: 'an empty value',
    message: { ...json('empty'), value: '' },
    outcome: 'quarantined',
    reason: /empty value/,
  },
  { title: 'a tombstone', message: { ...json('tombstone'), value: null }, outcome: 'started' },
  { title: 'a null key', message: { ...json('null-key'), key: null }, outcome: 'started' },
  {
    title: 'a value of 1 MB',
    message: json('one-megabyte', { blob: 'x'.repeat(1_000_000) }),
    outcome: 'started',
  },
  {
    title: 'a value over the payload limit',
    message: json('three-megabytes', { blob: 'x'.repeat(3_000_000) }),
    outcome: 'quarantined',
    reason: /at most 2097152 bytes once encoded/,
  },
  {
    title: 'a record key that is not UTF-8',
    message: { ...json('raw-record-key'), key: Buffer.from([0xff, 0xfe, 0x00]) },
    outcome: 'started',
  },
  {
    title: 'absurd headers',
    message: {
      ...json('headers'),
      headers: {
        'idempotency-key': 'headers',
        'event-type': 'known',
        __proto__x: 'y',
        constructor: 'z',
        'cr\r\nlf': 'a\r\n"level":"error"',
        empty: '',
        many: ['1', '2'],
        binary: Buffer.from([0, 255]),
      },
    },
    outcome: 'started',
  },
  {
    title: 'an idempotency key of 256 bytes',
    message: withKey('k'.repeat(256)),
    outcome: 'started',
    id: (scene) => shortened(scene, 'k'.repeat(256)),
  },
  {
    title: 'an idempotency key of 1,000 bytes',
    message: withKey('m'.repeat(1_000)),
    outcome: 'started',
    id: (scene) => shortened(scene, 'm'.repeat(1_000)),
  },
  {
    title: 'an idempotency key of 10,000 bytes',
    message: withKey('n'.repeat(10_000)),
    outcome: 'started',
    id: (scene) => shortened(scene, 'n'.repeat(10_000)),
  },
  {
    title: 'an idempotency key that is not UTF-8',
    message: withKey(Buffer.from([0xc3, 0x28])),
    outcome: 'started',
    id: (scene) => `${scene.name}:~hex:c328`,
  },
  {
    title: 'an idempotency key with a NUL',
    message: withKey(Buffer.from('a\0b')),
    outcome: 'started',
    id: (scene) => `${scene.name}:~hex:610062`,
  },
  {
    title: 'an idempotency key given twice',
    message: {
      key: 'any',
      value: '{}',
      headers: { 'idempotency-key': ['first', 'last'], 'event-type': 'known' },
    },
    outcome: 'started',
    id: (scene) => `${scene.name}:last`,
  },
  {
    title: 'an idempotency key that begins with `ktb/`',
    message: withKey('ktb/orders/quarantine/x'),
    outcome: 'quarantined',
    reason: /ktb\//,
  },
  {
    title: 'no idempotency key',
    message: { key: null, value: '{}', headers: { 'event-type': 'known' } },
    outcome: 'started',
  },
  {
    title: 'an unknown event type',
    message: {
      ...json('unknown-type'),
      headers: { 'idempotency-key': 'unknown-type', 'event-type': 'unknown' },
    },
    outcome: 'quarantined',
    reason: /event type "unknown"/,
  },
  {
    title: 'a decoder that throws',
    message: { ...json('throws'), headers: { 'idempotency-key': 'throws', 'event-type': 'throws' } },
    outcome: 'quarantined',
    reason: /the decoder throws/,
  },
  {
    title: 'a filter that throws',
    message: { ...json('filter'), headers: { 'idempotency-key': 'filter', 'event-type': 'filter' } },
    outcome: 'quarantined',
    reason: /the filter throws/,
  },
  {
    title: 'a filter that says no',
    message: {
      ...json('filtered', { no: true }),
      headers: { 'idempotency-key': 'filtered', 'event-type': 'filter' },
    },
    outcome: 'filtered',
  },
  {
    title: 'JSON of absurd depth',
    message: { ...json('deep'), value: '['.repeat(100_000) + ']'.repeat(100_000) },
    outcome: 'quarantined',
    reason: /1000|1,000|deep|levels/,
  },
  {
    title: 'JSON with `__proto__`',
    message: { ...json('proto'), value: '{"__proto__":{"polluted":true},"constructor":{"prototype":{}}}' },
    outcome: 'started',
  },
];

test('nothing stops it: each bad record has its documented outcome, and its neighbours on the same partition pass', async (t) => {
  t.timeout(240_000);
  await using scene = await createScene({
    partitions: 1,
    topicConfig: { 'max.message.bytes': '8000000', 'retention.ms': '86400000' },
    routes: `[
      { id: 'throws', topic: TOPIC, eventType: 'throws', workflow: 'work', decoder: () => { throw new Error('the decoder throws'); } },
      { id: 'filter', topic: TOPIC, eventType: 'filter', workflow: 'work', filter: (event) => { if (event.no) return false; throw new Error('the filter throws'); } },
      { id: 'work', topic: TOPIC, eventType: 'known', workflow: 'work' },
    ]`,
  });
  const bridge = scene.bridge('bridge', ['--log-level', 'debug']);
  scene.worker();
  const offsets = new Map<string, string>();
  for (const [index, one] of CASES.entries()) {
    const [placed] = await scene.producePlain([one.message, json(`neighbour-${index}`)]);
    offsets.set(placed!.offset.toString(), one.title);
  }
  // Compressed batches that can't be unpacked: as a client with lz4 would send them, and a bomb.
  const lz4 = await compressed(scene, CompressionTypes.LZ4, [json('lz4-1'), json('lz4-2'), json('lz4-3')]);
  const bomb = await compressed(scene, CompressionTypes.GZIP, [
    json('bomb', { zeros: '0'.repeat(50_000_000) }),
  ]);
  await scene.produce([json('end')]);
  await scene.committedToEnd();

  const settled = new Map<string, { outcome: string; reason?: string; workflowId: string }>();
  for (const line of bridge.stderr.split('\n').filter(Boolean)) {
    t.notThrows(() => JSON.parse(line), `a log line is whole: ${line.slice(0, 200)}`);
    const parsed = JSON.parse(line) as {
      offset?: string;
      outcome?: string;
      reason?: string;
      workflowId: string;
    };
    if (parsed.outcome !== undefined)
      settled.set(parsed.offset!, {
        outcome: parsed.outcome,
        workflowId: parsed.workflowId,
        ...(parsed.reason ? { reason: parsed.reason } : {}),
      });
  }
  for (const [offset, title] of offsets) {
    const one = CASES.find((it) => it.title === title)!;
    const seen = settled.get(offset);
    t.is(seen?.outcome, one.outcome, title);
    if (one.reason) t.regex(seen?.reason ?? '', one.reason, title);
    if (one.id) t.is(seen?.workflowId, one.id(scene), title);
    t.is(settled.get((BigInt(offset) + 1n).toString())?.outcome, 'started', `the neighbour of ${title}`);
  }
  for (let delta = 0n; delta < 3n; delta++) {
    const seen = settled.get((lz4 + delta).toString());
    t.is(seen?.outcome, 'quarantined', 'a missing codec');
    t.regex(seen?.reason ?? '', /compressed by lz4/);
  }
  t.is(settled.get(bomb.toString())?.outcome, 'quarantined', 'a gzip bomb');
  t.is(settled.get((bomb + 1n).toString())?.outcome, 'started', 'the record after the bomb');
  t.true(rssBytes(bridge.pid) < 1_000_000_000, 'memory stays bounded');

  // Too large: coordinates, hash and date stay. Everything else keeps its bytes.
  const inputs = await until(
    async () =>
      Promise.all(
        (await scene.executions('WorkflowType = "ktbQuarantine"')).map(async ({ workflowId, runId }) => {
          const { events } = await scene.client.workflow.getHandle(workflowId, runId).fetchHistory();
          const data =
            events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data ??
            new Uint8Array();
          return JSON.parse(Buffer.from(data).toString()) as {
            offset: string;
            raw: { value: string } | null;
            reason: string;
            valueSha256: string;
            keptUntil?: string;
          };
        }),
      ),
    {
      what: 'all quarantines',
      accept: (seen) => seen.length === CASES.filter((one) => one.outcome === 'quarantined').length + 4,
    },
  );
  const titleOf = (offset: string) => offsets.get(offset);
  const large = inputs.find((input) => titleOf(input.offset) === 'a value over the payload limit');
  t.is(large?.raw, null);
  t.is(
    large?.valueSha256,
    createHash('sha256')
      .update(JSON.stringify({ blob: 'x'.repeat(3_000_000) }))
      .digest('hex'),
  );
  t.true(
    Date.parse(large?.keptUntil ?? '') > Date.now() + 80_000_000,
    'the date until which Kafka still has it',
  );
  const notJson = inputs.find((input) => titleOf(input.offset) === 'a value that is not JSON');
  t.is(Buffer.from(notJson?.raw?.value ?? '', 'base64').toString(), 'surely not {');
});

test('a value too large for Temporal goes through with external storage', async (t) => {
  await using scene = await createScene({
    partitions: 1,
    topicConfig: { 'max.message.bytes': '8000000' },
    preamble: `
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ExternalStorage } from '@temporalio/common';
const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const encode = ({ metadata, data }) => JSON.stringify({ metadata: Object.entries(metadata ?? {}).map(([name, value]) => [name, base64(value)]), data: base64(data) });
const decode = (text) => {
  const { metadata, data } = JSON.parse(text);
  return { metadata: Object.fromEntries(metadata.map(([name, value]) => [name, Buffer.from(value, 'base64')])), data: Buffer.from(data, 'base64') };
};
const dir = process.env.KTB_HANDLERS_RECORD + '.store';
mkdirSync(dir, { recursive: true });
const driver = {
  name: 'files', type: 'test.files',
  store: async (context, payloads) => payloads.map((payload) => {
    const bytes = encode(payload);
    const id = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(dir + '/' + id, bytes);
    return { claimData: { id } };
  }),
  retrieve: async (context, claims) => claims.map((claim) => decode(readFileSync(dir + '/' + claim.claimData.id, 'utf8'))),
};
const dataConverter = { externalStorage: new ExternalStorage({ drivers: [driver] }) };
`,
    routes: `[{ id: 'work', topic: TOPIC, workflow: 'work' }]`,
    temporal: 'dataConverter,',
  });
  scene.worker();
  const bridge = scene.bridge('bridge', ['--log-level', 'debug']);
  await scene.produce([json('large', { blob: 'x'.repeat(3_000_000) }), json('small')]);
  await scene.committedToEnd();
  t.notRegex(bridge.stderr, /"outcome":"quarantined"/);
  for (const key of ['large', 'small']) {
    t.regex(await scene.client.workflow.getHandle(`${scene.name}:${key}`).result(), /^handled /);
  }
});

/** Sends one compressed batch. @returns its first offset */
async function compressed(
  scene: Scene,
  compression: number,
  messages: readonly TestMessage[],
): Promise<bigint> {
  (CompressionCodecs as Record<number, unknown>)[CompressionTypes.LZ4] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => lz4Frame(buffer),
  });
  const producer = kafkaClient(scene.stack.kafka.brokers).producer();
  await producer.connect();
  try {
    const [result] = await producer.send({
      topic: scene.topic,
      compression,
      messages: messages.map((message) => ({ ...message, partition: 0 })) as never,
    });
    return BigInt(result!.baseOffset!);
  } finally {
    await producer.disconnect();
  }
}

/** An LZ4 frame whose blocks are stored as they are: valid for the broker, and no compressor is needed. */
function lz4Frame(data: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE((data.length | 0x80000000) >>> 0);
  return Buffer.concat([Buffer.from('04224d18604082', 'hex'), size, data, Buffer.alloc(4)]);
}
