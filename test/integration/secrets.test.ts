import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createProducer } from '../../bridge/index.js';
import { startKafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { createScene, keyed } from '../faults/scene.js';
import { startKtb } from '../faults/process.js';
import { committedOffsets, kafkaClient } from '../helpers/kafka.js';
import { testStack } from '../helpers/stack.js';
import { until } from '../helpers/until.js';

/** Stands in passwords, keys, tokens and headers of connections. Nothing that is written may hold it. */
const CANARY = 'canary-3f9c2b7e51';
/** Stands in a record's own header: a handler gets it, a log does not. */
const RECORD_CANARY = 'record-canary-77d1';
/** The forms in which a secret travels: as it is, and as HTTP's and SASL's base64 of a user and it. */
const FORMS = [CANARY, base64(`me:${CANARY}`), base64(`\0me\0${CANARY}`), base64(CANARY)].map((form) =>
  form.replace(/=+$/, ''),
);

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

test('secrets of the configuration appear in no log, error, crash, workflow input, memo or commit', async (t) => {
  t.timeout(240_000);
  // It refuses the credentials, so that they have been sent, and a message is made of its answer.
  const asked: (string | undefined)[] = [];
  const registry = createHttpServer((request, response) => {
    asked.push(request.headers.authorization);
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end('{"error_code":401,"message":"who are you?"}');
  }).listen(0, '127.0.0.1');
  t.teardown(() => void registry.close());
  await new Promise((resolve) => registry.once('listening', resolve));
  const { port } = registry.address() as AddressInfo;
  await using scene = await createScene({
    partitions: 1,
    routes: `[
      { id: 'registry', topic: TOPIC, eventType: 'registry', workflow: 'work', decoder: { type: 'schema-registry', url: 'http://127.0.0.1:${port}/', auth: { username: 'me', password: '${CANARY}' }, timeoutMs: 500 } },
      { id: 'work', topic: TOPIC, workflow: 'work' },
    ]`,
  });
  // Everything works, with a secret in the environment and in the gRPC metadata.
  const env = { TEMPORAL_GRPC_META_AUTHORIZATION: `Bearer ${CANARY}` };
  const written: string[] = [];
  const worker = scene.worker('worker', env);
  const bridge = scene.bridge('bridge', ['--log-level', 'debug'], env);
  await scene.produce([
    { ...keyed('ok'), headers: { 'idempotency-key': 'ok', authorization: RECORD_CANARY } },
    { ...keyed('poison'), value: '{' },
    {
      partition: 0,
      key: null,
      value: Buffer.from([0, 0, 0, 0, 1, 2]),
      headers: { 'event-type': 'registry', 'idempotency-key': 'waits' },
    },
  ]);
  await bridge.waitForOutput(/waits for its decoder/);
  await until(async () => (await scene.executions()).length, {
    what: 'a workflow and a quarantine',
    accept: (count) => count === 2,
  });
  t.is(asked[0], `Basic ${base64(`me:${CANARY}`)}`);
  // A crash of each.
  await bridge.kill();
  worker.signal('SIGABRT');
  await worker.exited;
  written.push(bridge.output, worker.output);

  // Connections that fail, with the secret in them; secrets in the wrong place; defects of the config itself.
  const sasl = `kafka: { sasl: { mechanism: 'plain', username: 'me', password: '${CANARY}' } }`;
  const pair = `{ crt: Buffer.from('${CANARY}'), key: Buffer.from('${CANARY}') }`;
  const failing: readonly { name: string; text: string; after?: string; command?: string; wait: RegExp }[] = [
    { name: 'sasl', text: sasl, wait: /KTB_KAFKA: .* takes no credentials at this port/ },
    {
      name: 'tls',
      text: `kafka: { ssl: { key: '${CANARY}', cert: '${CANARY}' } }`,
      wait: /KTB_KAFKA: Expected `kafka.ssl` to hold certificates/,
    },
    {
      name: 'api-key',
      text: `temporal: { apiKey: '${CANARY}' }`,
      wait: /KTB_TEMPORAL: .* does not speak TLS at this port/,
    },
    {
      name: 'api-key-worker',
      command: 'worker',
      text: `temporal: { apiKey: '${CANARY}' }`,
      wait: /KTB_TEMPORAL: .* does not speak TLS at this port/,
    },
    {
      name: 'client-key',
      text: `temporal: { tls: { clientCertPair: ${pair} } }`,
      wait: /KTB_TEMPORAL: Expected `temporal.tls` to hold certificates/,
    },
    {
      name: 'client-key-worker',
      command: 'worker',
      text: `temporal: { tls: { clientCertPair: ${pair} } }`,
      wait: /KTB_TEMPORAL: Expected `temporal.tls` to hold certificates/,
    },
    { name: 'wrong-place', text: `kafka: { sasl: '${CANARY}', password: '${CANARY}' }`, wait: /KTB_CONFIG/ },
    { name: 'wrong-type', text: `temporal: { apiKey: ['${CANARY}'] }`, wait: /KTB_CONFIG/ },
    {
      name: 'syntax',
      text: `kafka: { sasl: { mechanism: 'plain', password: '${CANARY}'' } }`,
      wait: /KTB_CONFIG/,
    },
    {
      name: 'uncaught',
      // Nothing listens there, so that it waits; what refuses it would end it before.
      text: sasl.replace('kafka: {', "kafka: { brokers: ['127.0.0.1:1'],"),
      after: `setTimeout(() => {\n  throw new Error('nobody catches this');\n}, 3_000);`,
      wait: /nobody catches this/,
    },
  ];
  for (const { name, text, after = '', command = 'bridge', wait } of failing) {
    const config = scene.project.write(
      `${name}.config.ts`,
      `import config from './temporal.config.ts';\nconst change = { ${text} };\nexport default { ...config, ...Object.fromEntries(Object.entries(change).map(([key, value]) => [key, { ...config[key], ...value }])) };\n${after}\n`,
    );
    const process = startKtb(name, [command, '--log-level', 'debug'], {
      config,
      cwd: scene.project.dir,
      env: scene.env,
    });
    await process.waitForOutput(wait);
    if (name === 'uncaught') t.not((await process.exited).code, 0);
    await process.kill();
    written.push(process.output);
  }

  for (const file of readdirSync(scene.project.dir).filter((name) => name.endsWith('.log')))
    written.push(readFileSync(join(scene.project.dir, file), 'utf8'));
  const histories: string[] = [];
  for (const { workflowId, runId, memo } of await scene.executions()) {
    const history = await scene.client.workflow.getHandle(workflowId, runId).fetchHistory();
    histories.push(JSON.stringify(memo), ...payloads(history));
  }
  const commits = JSON.stringify(
    (await committedOffsets(scene.stack.kafka.brokers, scene.groupId, scene.topic)).map(
      ({ metadata }) => metadata,
    ),
  );
  for (const text of [...written, ...histories, commits])
    t.false(text.includes(CANARY), context(text, CANARY));
  for (const text of written) t.false(text.includes(RECORD_CANARY), context(text, RECORD_CANARY));
  // The counter-proof: this search does find what is there.
  t.true(
    histories.some((text) => text.includes(RECORD_CANARY)),
    "a record's headers reach its handler",
  );
});

test('SASL: the right password works, a wrong one is told without being shown', async (t) => {
  t.timeout(240_000);
  const dataDir = mkdtempSync(join(tmpdir(), 'ktb-sasl-'));
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }));
  const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  const broker = await startKafkaBroker({
    dataDir,
    port: await freePort(),
    properties: {
      'listener.security.protocol.map': 'PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.plaintext.plain.sasl.jaas.config': `${login} username="me" password="${CANARY}" user_me="${CANARY}";`,
    },
  });
  t.teardown(() => broker.stop());
  const { temporal } = await testStack();
  const topic = 'secured';
  const kafka = kafkaClient(broker.brokers, {
    sasl: { mechanism: 'plain', username: 'me', password: CANARY },
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] });
  await admin.disconnect();
  await using producer = createProducer({
    kafka: {
      brokers: broker.brokers,
      sasl: { mechanism: 'plain', username: 'me', password: CANARY },
    },
  });
  await producer.send({ topic, partition: 0, value: '{}', headers: { 'idempotency-key': 'secured' } });

  await using scene = await createScene({
    stack: { kafka: broker, temporal },
    topic,
    kafka: `sasl: { mechanism: 'plain', username: 'me', password: process.env.PASSWORD },`,
  });
  const wrong = scene.bridge('wrong', ['--log-level', 'debug'], { PASSWORD: `wrong-${CANARY}` });
  t.deepEqual(await wrong.exited, { code: 1, signal: null });
  t.regex(wrong.stderr, /^KTB_KAFKA: Kafka at .* refused the credentials \(SASL PLAIN, user "me"\): /m);
  const right = scene.bridge('right', ['--log-level', 'debug'], { PASSWORD: CANARY });
  await right.waitForOutput(/"outcome":"started"/);
  await right.term();
  for (const { name, output } of [wrong, right]) {
    for (const form of [...FORMS, base64(`\0me\0wrong-${CANARY}`)])
      t.false(output.includes(form), `${name}: ${context(output, form)}`);
  }
});

test('neither bridge nor worker listens on any port', async (t) => {
  await using scene = await createScene({ partitions: 1 });
  const bridge = scene.bridge();
  const worker = scene.worker();
  await bridge.waitForOutput(/joined the group/, 120_000);
  await worker.waitForOutput(/"msg":"polling"/, 120_000);
  for (const { name, pid } of [bridge, worker]) t.deepEqual(listening(pid), [], name);
  // The counter-proof: a port that is listened on is seen.
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  t.true(listening(process.pid).includes(address), `${address} among ${listening(process.pid).join(' ')}`);
  server.close();
});

/** All payloads of a history, as text: what the UI would show. */
function payloads(history: unknown): string[] {
  const texts: string[] = [];
  const visit = (value: unknown): void => {
    if (value instanceof Uint8Array) texts.push(Buffer.from(value).toString());
    else if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
    else if (typeof value === 'string') texts.push(value);
  };
  visit(history);
  return texts;
}

function context(text: string, canary: string): string {
  const at = text.indexOf(canary);
  return at === -1 ? '' : `found in: ${text.slice(Math.max(0, at - 200), at + 60)}`;
}

/** The sockets in state LISTEN that a process holds, from /proc. */
function listening(pid: number): string[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      continue; // closed meanwhile
    }
  }
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && inodes.has(fields[9] ?? ''))
      .map((fields) => fields[1]!),
  );
}
