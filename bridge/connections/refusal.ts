/**
 * A server that is away is waited for; one that refuses us, or whose certificate is not to be trusted, is another matter:
 * it needs somebody, and a message that says what to do. Nothing here ever tries with less security.
 */
import { BridgeError, messageOf } from '../errors.js';
import {
  brokerOf,
  closedWithoutReason,
  connectionFault,
  type ConnectionCause,
  type ConnectionFault,
} from './connection-fault.js';
import type { Service } from './service.js';
import { probeTls, type ProbeFinding, type SeenCertificate } from './tls-probe.js';

/** Of the server's certificate: here a probe shows it. */
const TRUST: ReadonlySet<ConnectionCause> = new Set<ConnectionCause>([
  'unknownAuthority',
  'otherHost',
  'expired',
  'notYetValid',
  'badCertificate',
]);

/**
 * What a failed connection needs somebody for; undefined where the server may just be away. Where the error does not say
 * it, one TLS handshake asks the server.
 */
export async function refusalOf(error: unknown, service: Service): Promise<BridgeError | undefined> {
  const address = addressOf(error, service);
  const named = connectionFault(error);
  if (named && !TRUST.has(named.cause)) return refusal(named, service, address, error);
  if (!named && !closedWithoutReason(error)) return undefined;
  const { fault, certificate } = await probe(service, address);
  if (named) return refusal(named, service, address, error, certificate);
  // Every client names a certificate that it does not trust; what only the probe distrusts was not the reason.
  return fault && !TRUST.has(fault.cause) ? refusal(fault, service, address, error) : undefined;
}

/** The same for an error that was thrown before anything was connected: keys that can't be read. */
export function refusalWithoutAsking(error: unknown, service: Service): BridgeError | undefined {
  const fault = connectionFault(error);
  return fault && refusal(fault, service, addressOf(error, service), error);
}

/** Why a server is taken to be away, with what else closes connections without a word. */
export function awayReason(error: unknown, { tls, login, options }: Service): string {
  const why = messageOf(error);
  if (/before secure TLS connection was established/.test(why))
    return `${why} (a port without TLS does so, and ${options.tls} is set)`;
  if (/closed connection/i.test(why) && tls === undefined && login === undefined)
    return `${why} (a port that asks for credentials does so, and ${options.login} is not set)`;
  return why;
}

function addressOf(error: unknown, { addresses }: Service): string {
  return brokerOf(error) ?? addresses.join(',');
}

async function probe(service: Service, address: string): Promise<ProbeFinding> {
  const first = address.split(',')[0]!;
  const at = /^(.*?)(?::(\d+))?$/.exec(first)!;
  const host = at[1]!.replace(/^\[|\]$/g, '');
  return probeTls({ host, port: Number(at[2] ?? 7233), tls: service.tls });
}

function refusal(
  fault: ConnectionFault,
  service: Service,
  address: string,
  error: unknown,
  certificate?: SeenCertificate,
): BridgeError {
  const at = `${service.whom} at ${address}`;
  const code = service.whom === 'Kafka' ? 'KTB_KAFKA' : 'KTB_TEMPORAL';
  return new BridgeError(code, sentence(fault, service, at, certificate), { cause: error });
}

function sentence(
  { cause, detail }: ConnectionFault,
  { options, login, tls }: Service,
  at: string,
  certificate: SeenCertificate | undefined,
): string {
  const untrusted = `The certificate of ${at} is not trusted`;
  switch (cause) {
    case 'unknownAuthority':
      return `${untrusted}: its authority${certificate ? ` (${JSON.stringify(certificate.issuer)})` : ''} is not known (${detail}). Give the authority's certificate in ${options.authority}`;
    case 'otherHost':
      return `${untrusted}: it is for another host (${certificate?.names ?? detail})${wanted(tls, at)}. Name the host in ${options.address} as the certificate does, or the certificate's name in ${options.serverName}`;
    case 'expired':
      return `${untrusted}: it expired${certificate ? ` on ${certificate.validTo}` : ''} (${detail}). It has to be renewed at the server; or this machine's clock is wrong`;
    case 'notYetValid':
      return `${untrusted}: it is not valid${certificate ? ` before ${certificate.validFrom}` : ' yet'} (${detail}). Look at this machine's clock`;
    case 'badCertificate':
      return `${untrusted}: ${detail}`;
    case 'clientCertificate':
      return tls?.cert === undefined
        ? `${at} asks for a client certificate (${detail}), and none is given. Give one in ${options.clientCertificate}`
        : `${at} refused our client certificate (${detail}). Give a valid one, of an authority that the server knows, in ${options.clientCertificate}`;
    case 'unreadablePem':
      return `Expected ${options.tls} to hold certificates and keys in PEM that belong together, got something else (${detail})`;
    case 'plaintextPort':
      return `${at} does not speak TLS at this port (${detail}). Name its TLS port in ${options.address}; where plain text is meant, leave out ${options.tls}${login === 'an API key' ? ' or set it to false' : ''}`;
    case 'tlsPort':
      return `${at} speaks TLS at this port (${detail}), and the configuration has none. Set ${options.tls}`;
    case 'credentials':
      return `${at} refused the credentials (${login ?? 'none were given'}): ${detail}. Check ${options.login}`;
    case 'mechanism':
      return `${at} does not take this way to authenticate (${login ?? 'none'}): ${detail}. Check the mechanism in ${options.login}`;
    case 'noLogin':
      return `${at} takes no credentials at this port (${login ?? 'none'}): ${detail}. Name the port that asks for them in ${options.address}, or leave out ${options.login}`;
  }
}

/** The name that the certificate was held against. */
function wanted(tls: Service['tls'], at: string): string {
  const host = tls?.servername ?? /at (.*?)(?::\d+)?$/.exec(at)?.[1];
  return host === undefined ? '' : `, not for ${host}`;
}
