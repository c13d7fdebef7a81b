import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KafkaConfig } from 'kafkajs';
import { Bridge } from '../../bridge/bridge.js';
import { BridgeError } from '../../bridge/errors.js';
import { createScene, keyed } from '../faults/scene.js';
import { Authority, EXPIRED, writePem } from '../helpers/certificates.js';
import { configFor, memoryLogger } from '../helpers/connections.js';
import { TemporalDouble } from '../helpers/doubles/temporal-double.js';
import { createTopic } from '../helpers/kafka.js';
import { setScramPassword } from '../helpers/scram-users.js';
import { startSecureKafka, type SecureKafka } from '../helpers/secure-servers.js';
import { testStack } from '../helpers/stack.js';
import { until } from '../helpers/until.js';
import { beganWithTls, tapWire } from '../helpers/wire-tap.js';

const PASSWORD = 'canary-71d0e4b8a2';
const USER = { name: 'orders', password: PASSWORD };

let authority: Authority;
let stranger: Authority;
let kafka: SecureKafka;
let dir: string;

test.before(async (t) => {
  t.timeout(240_000);
  dir = mkdtempSync(join(tmpdir(), 'ktb-kafka-tls-'));
  [authority, stranger] = await Promise.all([Authority.create('ktb test'), Authority.create('a stranger')]);
  kafka = await startSecureKafka(dir, authority, USER);
  await createTopic(kafka.broker.brokers, 'secured');
});

test.after.always(async () => {
  await kafka?.broker.stop();
  rmSync(dir, { recursive: true, force: true });
});

function scram(password: string): NonNullable<KafkaConfig['sasl']> {
  return { mechanism: 'scram-sha-512', username: USER.name, password };
}

interface Refused {
  readonly what: string;
  readonly port: keyof SecureKafka['ports'];
  readonly ssl: () => KafkaConfig['ssl'] | Promise<KafkaConfig['ssl']>;
  readonly sasl?: KafkaConfig['sasl'];
  readonly says: RegExp;
}

const trusted = () => ({ ca: [authority.cert] });

const refused: readonly Refused[] = [
  {
    what: 'a wrong password',
    port: 'secure',
    ssl: trusted,
    sasl: scram(`wrong-${PASSWORD}`),
    says: /^Kafka at 127\.0\.0\.1:\d+ refused the credentials \(SASL SCRAM-SHA-512, user "orders"\): .*invalid credentials.*`kafka\.sasl`$/,
  },
  {
    what: 'a mechanism that the broker has not',
    port: 'secure',
    ssl: trusted,
    sasl: { mechanism: 'plain', username: USER.name, password: PASSWORD },
    says: /^Kafka at 127\.0\.0\.1:\d+ does not take this way to authenticate \(SASL PLAIN, user "orders"\)/,
  },
  {
    what: 'an authority that we do not know',
    port: 'secure',
    ssl: () => ({ ca: [stranger.cert] }),
    says: /^The certificate of Kafka at 127\.0\.0\.1:\d+ is not trusted: its authority \("ktb test"\) is not known .*`kafka\.ssl\.ca`$/,
  },
  {
    what: 'an authority that no system knows, with `ssl: true`',
    port: 'secure',
    ssl: () => true,
    says: /is not trusted: its authority \("ktb test"\) is not known/,
  },
  {
    what: "another host's certificate",
    port: 'otherHost',
    ssl: trusted,
    says: /^The certificate of Kafka at 127\.0\.0\.1:\d+ is not trusted: it is for another host \(DNS:kafka\.elsewhere\.test\), not for 127\.0\.0\.1\. Name the host in `kafka\.brokers`/,
  },
  {
    what: 'an expired certificate',
    port: 'expired',
    ssl: trusted,
    says: /^The certificate of Kafka at 127\.0\.0\.1:\d+ is not trusted: it expired on 20\d\d-\d\d-\d\dT[\d:]+Z/,
  },
  {
    what: 'no client certificate, where one is asked for',
    port: 'mutual',
    ssl: trusted,
    says: /^Kafka at 127\.0\.0\.1:\d+ asks for a client certificate .*and none is given\. Give one in `kafka\.ssl\.cert` and `kafka\.ssl\.key`$/,
  },
  {
    what: "a stranger's client certificate",
    port: 'mutual',
    ssl: async () => ({ ...trusted(), ...(await stranger.issue('orders')) }),
    says: /^Kafka at 127\.0\.0\.1:\d+ refused our client certificate/,
  },
];

for (const { what, port, ssl, sasl, says } of refused) {
  test.serial(`${what} ends the start, with the cause and no plain text`, async (t) => {
    await using tap = await tapWire(kafka.ports[port]);
    const log = memoryLogger();
    const config = configFor(
      {
        brokers: [tap.address],
        ssl: await ssl(),
        ...(port === 'mutual' ? {} : { sasl: sasl ?? scram(PASSWORD) }),
      },
      {},
    );
    const bridge = new Bridge(config, { logger: log.logger, ports: { temporal: new TemporalDouble() } });
    const error = await t.throwsAsync(bridge.start(), { instanceOf: BridgeError });
    await bridge.close();
    t.is(error?.code, 'KTB_KAFKA');
    t.regex(error?.message ?? '', says);
    t.true(tap.sent.length > 0);
    t.true(tap.sent.every(beganWithTls), 'every connection began with TLS');
    t.false(`${log.text}${error?.message}${error?.stack}`.includes(PASSWORD));
  });
}

test.serial('a port with TLS is told to a configuration without', async (t) => {
  const bridge = new Bridge(
    configFor({ brokers: [`127.0.0.1:${kafka.ports.secure}`], sasl: scram(PASSWORD) }, {}),
    {
      logger: memoryLogger().logger,
      ports: { temporal: new TemporalDouble() },
    },
  );
  const error = await t.throwsAsync(bridge.start(), { instanceOf: BridgeError });
  await bridge.close();
  t.regex(error?.message ?? '', /speaks TLS at this port .* Set `kafka\.ssl`$/);
});

test.serial('a port without TLS gets nothing in plain text, and the log says what it may be', async (t) => {
  await using tap = await tapWire(kafka.broker.port);
  const log = memoryLogger();
  const bridge = new Bridge(
    configFor({ brokers: [tap.address], ssl: trusted(), sasl: scram(PASSWORD) }, {}),
    {
      logger: log.logger,
      ports: { temporal: new TemporalDouble() },
    },
  );
  const started = bridge.start();
  await until(() => /a port without TLS does so, and `kafka\.ssl` is set/.test(log.text), {
    what: 'the log to say it',
  });
  await bridge.close();
  await started;
  t.true(tap.sent.length > 0);
  t.true(tap.sent.every(beganWithTls));
});

test.serial('a client certificate is enough where the broker takes one', async (t) => {
  const log = memoryLogger();
  const config = configFor(
    {
      brokers: [`127.0.0.1:${kafka.ports.mutual}`],
      ssl: { ...trusted(), ...(await authority.issue('orders')) },
    },
    {},
  );
  await using bridge = new Bridge(config, { logger: log.logger, ports: { temporal: new TemporalDouble() } });
  await bridge.start();
  await until(() => bridge.status().phase === 'running', { what: 'the bridge to run' });
  t.pass();
});

test.serial(
  '`ktb bridge` reads through TLS and SCRAM-SHA-512; a wrong password ends the start, but a bridge that runs waits out an expired certificate and a changed password, loudly',
  async (t) => {
    t.timeout(180_000);
    const { temporal } = await testStack();
    const ca = writePem(join(dir, 'client', 'ca.pem'), authority.cert);
    await using scene = await createScene({
      // The test itself uses the listener in plain text.
      stack: { kafka: kafka.broker, temporal },
      partitions: 1,
      preamble: `import { readFileSync } from 'node:fs';`,
      kafka: `ssl: { ca: [readFileSync(${JSON.stringify(ca)})] }, sasl: { mechanism: 'scram-sha-512', username: 'orders', password: process.env.PASSWORD },`,
    });
    const env = { KAFKA_BROKERS: `127.0.0.1:${kafka.ports.secure}` };
    const worker = scene.worker('worker', env);
    const bridge = scene.bridge('bridge', ['--log-level', 'debug'], { ...env, PASSWORD });
    await scene.produce([keyed('before')]);
    await scene.committedToEnd();

    const wrong = scene.bridge('wrong', ['--log-level', 'debug'], { ...env, PASSWORD: `wrong-${PASSWORD}` });
    t.deepEqual(await wrong.exited, { code: 1, signal: null });
    t.regex(
      wrong.stderr,
      /^KTB_KAFKA: Kafka at 127\.0\.0\.1:\d+ refused the credentials \(SASL SCRAM-SHA-512, user "orders"\): .*$/m,
    );

    // Those who are logged in stay so: the other password is asked for at the restart.
    await setScramPassword(kafka.broker.port, USER.name, `other-${PASSWORD}`);
    kafka.present(await authority.issue('kafka', EXPIRED));
    await kafka.broker.server.restart();
    await bridge.waitForOutput(
      /"alert":"connection".*it expired on 20.*Waiting until that is mended/,
      180_000,
    );
    kafka.present(await authority.issue('kafka'));
    await kafka.broker.server.restart();
    await bridge.waitForOutput(
      /"alert":"connection".*refused the credentials .*Waiting until that is mended/,
      180_000,
    );
    await setScramPassword(kafka.broker.port, USER.name, PASSWORD);
    await scene.produce([keyed('after')]);
    await scene.committedToEnd();
    t.regex(await scene.client.workflow.getHandle(`${scene.name}:after`).result(), /^handled /);
    t.true(bridge.running);
    t.deepEqual(await bridge.term(), { code: 0, signal: null });
    for (const { name, output } of [bridge, worker, wrong]) {
      for (const form of [PASSWORD, Buffer.from(PASSWORD).toString('base64').replace(/=+$/, '')])
        t.false(output.includes(form), `${name} shows the password`);
    }
  },
);
