import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Bridge } from '../../bridge/bridge.js';
import type { TemporalOptions } from '../../bridge/config/types.js';
import { BridgeError } from '../../bridge/errors.js';
import type { TemporalServer } from '../../bridge/local-stack/temporal-server.js';
import { BridgeWorker } from '../../bridge/worker.js';
import { startKtb } from '../faults/process.js';
import { createScene, keyed } from '../faults/scene.js';
import { Authority, writePem, type Certificate } from '../helpers/certificates.js';
import { configFor, memoryLogger } from '../helpers/connections.js';
import { SourceDouble } from '../helpers/doubles/source-double.js';
import { EXPIRED_HOST, startSecureTemporal } from '../helpers/secure-servers.js';
import { testStack } from '../helpers/stack.js';
import { beganWithTls, tapWire } from '../helpers/wire-tap.js';

let authority: Authority;
let stranger: Authority;
let ours: Certificate;
let temporal: TemporalServer;
let dir: string;

test.before(async (t) => {
  t.timeout(600_000); // the server may have to be built
  dir = mkdtempSync(join(tmpdir(), 'ktb-temporal-tls-'));
  [authority, stranger] = await Promise.all([Authority.create('ktb test'), Authority.create('a stranger')]);
  ours = await authority.issue('orders', { hosts: ['orders.test'] });
  temporal = await startSecureTemporal(dir, authority, ours);
});

test.after.always(async () => {
  await temporal?.stop();
  rmSync(dir, { recursive: true, force: true });
});

type Tls = NonNullable<Exclude<TemporalOptions['tls'], boolean>>;

function tls(certificate: Certificate | undefined, from: Authority = authority, name = 'localhost'): Tls {
  return {
    serverNameOverride: name,
    serverRootCACertificate: Buffer.from(from.cert),
    ...(certificate && {
      clientCertPair: { crt: Buffer.from(certificate.cert), key: Buffer.from(certificate.key) },
    }),
  };
}

/** What starts, and fails to. */
const processes = {
  bridge: (temporalOptions: Partial<TemporalOptions>) => {
    const log = memoryLogger();
    const config = configFor({}, temporalOptions);
    return { log, it: new Bridge(config, { logger: log.logger, ports: { source: new SourceDouble() } }) };
  },
  worker: (temporalOptions: Partial<TemporalOptions>) => {
    const log = memoryLogger();
    return { log, it: new BridgeWorker(configFor({}, temporalOptions), { logger: log.logger }) };
  },
} as const;

interface Refused {
  readonly what: string;
  readonly tls: () => Tls | Promise<Tls>;
  readonly says: RegExp;
}

const refused: readonly Refused[] = [
  {
    what: 'an authority that we do not know',
    tls: () => tls(ours, stranger),
    says: /^The certificate of Temporal at 127\.0\.0\.1:\d+ is not trusted: its authority \("ktb test"\) is not known .*`temporal\.tls\.serverRootCACertificate`$/,
  },
  {
    what: "another host's certificate",
    tls: () => tls(ours, authority, 'temporal.elsewhere.test'),
    says: /^The certificate of Temporal at 127\.0\.0\.1:\d+ is not trusted: it is for another host \(DNS:localhost, IP Address:127\.0\.0\.1\), not for temporal\.elsewhere\.test\./,
  },
  {
    what: 'an expired certificate',
    tls: () => tls(ours, authority, EXPIRED_HOST),
    says: /^The certificate of Temporal at 127\.0\.0\.1:\d+ is not trusted: it expired on 20\d\d-\d\d-\d\dT[\d:]+Z/,
  },
  {
    what: 'no client certificate',
    tls: () => tls(undefined),
    says: /^Temporal at 127\.0\.0\.1:\d+ asks for a client certificate .*and none is given\. Give one in `temporal\.tls\.clientCertPair`$/,
  },
  {
    what: "a stranger's client certificate",
    tls: async () => tls(await stranger.issue('orders')),
    says: /^Temporal at 127\.0\.0\.1:\d+ refused our client certificate/,
  },
  {
    what: 'a client certificate that is no PEM',
    tls: () => tls({ cert: 'canary-cert', key: 'canary-key' }),
    says: /^Expected `temporal\.tls` to hold certificates and keys in PEM that belong together, got something else/,
  },
];

for (const [name, create] of Object.entries(processes)) {
  for (const { what, tls: given, says } of refused) {
    test.serial(`${what} ends the ${name}'s start, with the cause and no plain text`, async (t) => {
      await using tap = await tapWire(temporal.port);
      const options = { address: tap.address, tls: await given() };
      const logs: string[] = [];
      const error = await t.throwsAsync(
        async () => {
          const { it, log } = create(options);
          try {
            await it.start();
          } finally {
            await it.close();
            logs.push(log.text);
          }
        },
        { instanceOf: BridgeError },
      );
      t.is(error?.code, 'KTB_TEMPORAL');
      t.regex(error?.message ?? '', says);
      t.true(tap.sent.every(beganWithTls), 'every connection began with TLS');
      t.false(/canary|BEGIN/.test(`${logs.join('')}${error?.message}`));
    });
  }

  test.serial(`the ${name} is told of a port with TLS, where its configuration has none`, async (t) => {
    const { it } = create({ address: temporal.address });
    const error = await t.throwsAsync(it.start(), { instanceOf: BridgeError });
    await it.close();
    t.regex(error?.message ?? '', /^Temporal at .* speaks TLS at this port .* Set `temporal\.tls`$/);
  });

  test.serial(`the ${name} says nothing in plain text to a port without TLS, and names it`, async (t) => {
    const { temporal: plain } = await testStack();
    await using tap = await tapWire(Number(plain.address.split(':')[1]));
    const { it } = create({ address: tap.address, tls: tls(ours) });
    const error = await t.throwsAsync(it.start(), { instanceOf: BridgeError });
    await it.close();
    t.regex(error?.message ?? '', /^Temporal at .* does not speak TLS at this port/);
    t.true(tap.sent.length > 0);
    t.true(tap.sent.every(beganWithTls));
  });
}

test.serial(
  '`ktb bridge`, `ktb worker` and `ktb status` work with a client certificate, and end with 1 where the certificate has expired',
  async (t) => {
    t.timeout(180_000);
    const { kafka } = await testStack();
    const files = {
      ca: writePem(join(dir, 'orders', 'ca.pem'), authority.cert),
      crt: writePem(join(dir, 'orders', 'cert.pem'), ours.cert),
      key: writePem(join(dir, 'orders', 'key.pem'), ours.key),
    };
    const text = (path: string) => `readFileSync(${JSON.stringify(path)})`;
    await using scene = await createScene({
      stack: {
        kafka,
        temporal: { address: temporal.address, namespace: temporal.namespace, tls: tls(ours) },
      },
      partitions: 1,
      preamble: `import { readFileSync } from 'node:fs';`,
      temporal: `tls: { serverNameOverride: process.env.SERVER_NAME, serverRootCACertificate: ${text(files.ca)}, clientCertPair: { crt: ${text(files.crt)}, key: ${text(files.key)} } },`,
    });
    const env = { SERVER_NAME: 'localhost' };
    const worker = scene.worker('worker', env);
    const bridge = scene.bridge('bridge', ['--log-level', 'debug'], env);
    await scene.produce([keyed('one')]);
    await scene.committedToEnd();
    t.regex(await scene.client.workflow.getHandle(`${scene.name}:one`).result(), /^handled /);

    const ask = (name: string, environment: NodeJS.ProcessEnv) =>
      startKtb(name, ['status', 'one', '--json'], {
        config: scene.project.configPath,
        cwd: scene.project.dir,
        env: { ...scene.env, ...environment },
      });
    const asked = ask('status', env);
    t.is((await asked.exited).code, 0, asked.output);
    t.like(JSON.parse(asked.stdout), { state: 'completed', key: 'one' });

    const expired = { SERVER_NAME: EXPIRED_HOST };
    const failing = [
      scene.bridge('expired bridge', [], expired),
      scene.worker('expired worker', expired),
      ask('expired status', expired),
    ];
    for (const process of failing) {
      t.deepEqual(await process.exited, { code: 1, signal: null }, process.name);
      t.regex(
        process.stderr,
        /^KTB_TEMPORAL: The certificate of Temporal at .* is not trusted: it expired on /m,
      );
    }
    t.deepEqual(await bridge.term(), { code: 0, signal: null });
    t.deepEqual(await worker.term(), { code: 0, signal: null });
    const key = ours.key.split('\n')[1]!;
    for (const { name, output } of [bridge, worker, asked, ...failing]) t.false(output.includes(key), name);
  },
);
