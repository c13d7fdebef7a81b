/** Kafka and Temporal as they stand where strangers share the network: TLS, and clients that have to say who they are. */
import { join } from 'node:path';
import { startKafkaBroker, type KafkaBroker } from '../../bridge/local-stack/kafka-broker.js';
import { freePort } from '../../bridge/local-stack/ports.js';
import { startTemporalServer, type TemporalServer } from '../../bridge/local-stack/temporal-server.js';
import { EXPIRED, writePem, type Authority, type Certificate } from './certificates.js';

export interface ScramUser {
  readonly name: string;
  readonly password: string;
}

/** Its main listener is in plain text, for the test's own use; `ports` are the listeners that clients have to log in to. */
export interface SecureKafka {
  readonly broker: KafkaBroker;
  readonly ports: {
    /** TLS and SCRAM-SHA-512. */
    readonly secure: number;
    /** The same, with a certificate for another host. */
    readonly otherHost: number;
    readonly expired: number;
    /** TLS with a client certificate, and no password. */
    readonly mutual: number;
  };
  /** The certificate of `secure`, from the broker's next start on. */
  present(certificate: Certificate): void;
}

const LISTENERS = ['secure', 'otherHost', 'expired', 'mutual'] as const;

export async function startSecureKafka(
  dataDir: string,
  authority: Authority,
  user: ScramUser,
): Promise<SecureKafka> {
  const file = (name: string): string => join(dataDir, 'tls', `${name}.pem`);
  const keyStore = (name: string, { cert, key }: Certificate): string => writePem(file(name), key, cert);
  const good = await authority.issue('kafka');
  keyStore('secure', good);
  keyStore('mutual', good);
  keyStore('otherHost', await authority.issue('kafka', { hosts: ['kafka.elsewhere.test'] }));
  keyStore('expired', await authority.issue('kafka', EXPIRED));
  writePem(file('clients'), authority.cert);

  const ports = Object.fromEntries(
    await Promise.all(LISTENERS.map(async (name) => [name, await freePort()] as const)),
  ) as SecureKafka['ports'];
  const protocolOf = (name: string): string => (name === 'mutual' ? 'SSL' : 'SASL_SSL');
  const properties: Record<string, string> = {
    'listener.security.protocol.map': [
      'PLAINTEXT:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...LISTENERS.map((name) => `${name.toUpperCase()}:${protocolOf(name)}`),
    ].join(','),
    'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
  };
  for (const name of LISTENERS) {
    const prefix = `listener.name.${name.toLowerCase()}`;
    properties[`${prefix}.ssl.keystore.type`] = 'PEM';
    properties[`${prefix}.ssl.keystore.location`] = file(name);
    if (name !== 'mutual') {
      properties[`${prefix}.scram-sha-512.sasl.jaas.config`] =
        'org.apache.kafka.common.security.scram.ScramLoginModule required;';
    }
  }
  properties['listener.name.mutual.ssl.client.auth'] = 'required';
  properties['listener.name.mutual.ssl.truststore.type'] = 'PEM';
  properties['listener.name.mutual.ssl.truststore.location'] = file('clients');
  const broker = await startKafkaBroker({
    dataDir,
    port: await freePort(),
    extraListeners: LISTENERS.map((name) => ({
      name: name.toUpperCase(),
      port: ports[name],
      advertisedPort: ports[name],
    })),
    properties,
    formatArgs: ['--add-scram', `SCRAM-SHA-512=[name=${user.name},password=${user.password}]`],
  });
  return { broker, ports, present: (certificate) => void keyStore('secure', certificate) };
}

/** A name (SNI) that it shows an expired certificate to. */
export const EXPIRED_HOST = 'expired.temporal.test';

/** It takes no client without a certificate of the authority. */
export async function startSecureTemporal(
  dataDir: string,
  authority: Authority,
  client: Certificate,
): Promise<TemporalServer> {
  const files = (name: string, { cert, key }: Certificate) => ({
    certFile: writePem(join(dataDir, 'tls', `${name}.crt`), cert),
    keyFile: writePem(join(dataDir, 'tls', `${name}.key`), key),
  });
  const caFile = writePem(join(dataDir, 'tls', 'ca.crt'), authority.cert);
  return startTemporalServer({
    dataDir,
    port: await freePort(),
    tls: {
      server: files('server', await authority.issue('temporal')),
      hosts: {
        [EXPIRED_HOST]: files(
          'expired',
          await authority.issue('temporal', { ...EXPIRED, hosts: [EXPIRED_HOST] }),
        ),
      },
      clientCaFile: caFile,
      client: files('client', client),
      caFile,
      serverName: 'localhost',
    },
  });
}
