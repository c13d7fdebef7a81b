import type { ConnectionOptions } from 'node:tls';
import type { ResolvedConfig } from '../config/resolved.js';

/** A server as a message names it, and what it is connected to with. */
export interface Service {
  readonly whom: 'Kafka' | 'Temporal';
  readonly addresses: readonly string[];
  /** Undefined: in plain text. */
  readonly tls: ConnectionOptions | undefined;
  /** How we say who we are, without the secret: `SASL SCRAM-SHA-512, user "orders"`. */
  readonly login: string | undefined;
  /** The options that a message sends the reader to. */
  readonly options: {
    readonly address: string;
    readonly tls: string;
    readonly authority: string;
    readonly clientCertificate: string;
    readonly serverName: string;
    readonly login: string;
  };
}

export function kafkaService(kafka: Pick<ResolvedConfig['kafka'], 'brokers' | 'ssl' | 'sasl'>): Service {
  const { brokers, ssl, sasl } = kafka;
  const user = (sasl as { username?: unknown } | undefined)?.username;
  return {
    whom: 'Kafka',
    addresses: brokers,
    tls: ssl === true ? {} : ssl === false ? undefined : ssl,
    login:
      sasl === undefined
        ? undefined
        : `SASL ${sasl.mechanism.toUpperCase()}${typeof user === 'string' ? `, user ${JSON.stringify(user)}` : ''}`,
    options: {
      address: '`kafka.brokers`',
      tls: '`kafka.ssl`',
      authority: '`kafka.ssl.ca`',
      clientCertificate: '`kafka.ssl.cert` and `kafka.ssl.key`',
      serverName: '`kafka.ssl.servername`',
      login: '`kafka.sasl`',
    },
  };
}

export function temporalService(
  temporal: Pick<ResolvedConfig['temporal'], 'address' | 'tls' | 'apiKey'>,
): Service {
  const { address, tls, apiKey } = temporal;
  return {
    whom: 'Temporal',
    addresses: [address],
    tls: nodeTls(tls, apiKey),
    login: apiKey === undefined ? undefined : 'an API key',
    options: {
      address: '`temporal.address`',
      tls: '`temporal.tls`',
      authority: '`temporal.tls.serverRootCACertificate`',
      clientCertificate: '`temporal.tls.clientCertPair`',
      serverName: '`temporal.tls.serverNameOverride`',
      login: '`temporal.apiKey`',
    },
  };
}

/** As the SDK takes it: an API key alone means TLS with the system's authorities. */
function nodeTls(
  tls: ResolvedConfig['temporal']['tls'],
  apiKey: string | undefined,
): ConnectionOptions | undefined {
  if (tls === false || tls === null || (tls === undefined && apiKey === undefined)) return undefined;
  const { serverNameOverride, serverRootCACertificate, clientCertPair } =
    tls === true || tls === undefined ? ({} as NonNullable<Exclude<typeof tls, boolean>>) : tls;
  return {
    ALPNProtocols: ['h2'],
    ...(serverNameOverride === undefined ? {} : { servername: serverNameOverride }),
    ...(serverRootCACertificate === undefined ? {} : { ca: Buffer.from(serverRootCACertificate) }),
    ...(clientCertPair
      ? { cert: Buffer.from(clientCertPair.crt), key: Buffer.from(clientCertPair.key) }
      : {}),
  };
}
