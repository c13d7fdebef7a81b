import { status as grpcStatus } from '@grpc/grpc-js';

/** Why a connection can't be: nothing that waiting mends, as long as nobody changes something. */
export type ConnectionCause =
  /** Of the server's certificate. */
  | 'unknownAuthority'
  | 'otherHost'
  | 'expired'
  | 'notYetValid'
  | 'badCertificate'
  /** The server misses ours, or refuses it. */
  | 'clientCertificate'
  /** What we are to show can't be read. */
  | 'unreadablePem'
  /** TLS was spoken to a port that has none, or none to one that has. The second shows to a probe only. */
  | 'plaintextPort'
  | 'tlsPort'
  | 'credentials'
  | 'mechanism'
  | 'noLogin';

export interface ConnectionFault {
  readonly cause: ConnectionCause;
  /** What the client or the server said, in one line. */
  readonly detail: string;
}

/**
 * Three TLS stacks say the same in their own words: Node (kafkajs; its text alone arrives through gRPC, its code alone
 * from a probe), OpenSSL's alerts, and rustls (the worker's connection).
 */
const SIGNS: readonly (readonly [ConnectionCause, RegExp])[] = [
  ['expired', /certificate has expired|CERT_HAS_EXPIRED|InvalidCertificate\(Expired/],
  ['notYetValid', /certificate is not yet valid|CERT_NOT_YET_VALID|InvalidCertificate\(NotValidYet/],
  ['otherHost', /match certificate's altnames|CERT_ALTNAME_INVALID|InvalidCertificate\(NotValidForName/],
  [
    'unknownAuthority',
    /unable to verify the first certificate|self[- ]signed certificate|unable to get (?:local )?issuer certificate|UNABLE_TO_VERIFY_LEAF|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER|CERT_UNTRUSTED|InvalidCertificate\(UnknownIssuer/,
  ],
  [
    'badCertificate',
    /InvalidCertificate\(|certificate (?:revoked|rejected|not trusted|signature failure)|CERT_(?:REVOKED|REJECTED|SIGNATURE_FAILURE)|invalid CA certificate|INVALID_(?:CA|PURPOSE)\b|unsu(?:itable|pported) certificate purpose|(?:EE|CA) certificate key too weak/,
  ],
  [
    'clientCertificate',
    /alert (?:(?:bad|unsupported) certificate|certificate (?:required|revoked|expired|unknown)|unknown ca|access denied)|fatal alert: (?:BadCertificate|UnsupportedCertificate|Certificate(?:Required|Revoked|Expired|Unknown)|UnknownCA|AccessDenied)/i,
  ],
  ['plaintextPort', /wrong version number|packet length too long|InvalidMessage\(InvalidContentType\)/],
  [
    'unreadablePem',
    /PEM routines|no start line|PrivateKeyParseError|CertificateParseError|key values mismatch|bad decrypt|bad base64 decode|asn1 encoding routines|wrong tag/,
  ],
  [
    'mechanism',
    /mechanism is not supported by the server|does not support the requested SASL mechanism|UNSUPPORTED_SASL_MECHANISM/,
  ],
  ['noLogin', /not valid given the current SASL state|ILLEGAL_SASL_STATE/],
  [
    'credentials',
    // As tonic writes its codes UNAUTHENTICATED and PERMISSION_DENIED, in one way or the other.
    /Status \{ code: (?:Unauthenticated|PermissionDenied)|code: '(?:The request does not have valid authentication credentials|The caller does not have permission)/,
  ],
];

/** kafkajs says "authentication failed" also where the connection broke in the middle of it. */
const BROKEN = /clos|time(?:d )?-?out|not connected|socket|ECONN|EPIPE/i;

const REFUSING: ReadonlySet<unknown> = new Set([grpcStatus.UNAUTHENTICATED, grpcStatus.PERMISSION_DENIED]);
const SILENT: ReadonlySet<unknown> = new Set([grpcStatus.UNAVAILABLE, grpcStatus.UNKNOWN]);

/** Names the cause of a failed connection to Kafka or Temporal; undefined where it may be away only. */
export function connectionFault(error: unknown): ConnectionFault | undefined {
  for (const one of chainOf(error)) {
    const { code, status } = one as { code?: unknown; status?: unknown };
    const grpcCode = typeof code === 'number' ? code : grpcStatus[status as keyof typeof grpcStatus];
    if (grpcCode !== undefined && isGrpc(one)) {
      if (REFUSING.has(grpcCode)) return { cause: 'credentials', detail: detailOf(one.message) };
      // Who answers with another status can be reached; words in its message are about something else.
      if (!SILENT.has(grpcCode)) return undefined;
    }
    const text = `${typeof code === 'string' ? code : ''} ${one.message}`;
    const sign = SIGNS.find(([, pattern]) => pattern.test(text));
    if (sign) return { cause: sign[0], detail: detailOf(one.message) };
    if (one.name === 'KafkaJSSASLAuthenticationError' && !BROKEN.test(one.message))
      return { cause: 'credentials', detail: detailOf(one.message) };
  }
  return undefined;
}

/** The peer closed, without a reason that reached the client: only then a probe may tell more. */
export function closedWithoutReason(error: unknown): boolean {
  const text = [...chainOf(error)].map((one) => one.message).join('\n');
  return (
    !/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|Connection ?Refused|dns error/i.test(text) &&
    /clos|ECONNRESET|reset|disconnected|dropped|Failed to connect|transport error|broken ?pipe|EPIPE|unexpected ?eof/i.test(
      text,
    )
  );
}

/** `host:port` of the broker that a kafkajs error is about. */
export function brokerOf(error: unknown): string | undefined {
  for (const one of chainOf(error)) {
    const { broker } = one as { broker?: unknown };
    if (typeof broker === 'string') return broker;
  }
  return undefined;
}

function* chainOf(error: unknown): Generator<Error> {
  let current = error;
  for (let depth = 0; depth < 6 && current instanceof Error; depth++, current = current.cause) yield current;
}

function isGrpc(error: Error): boolean {
  return 'details' in error || 'status' in error;
}

/** Without what gRPC, OpenSSL and the worker's core write around it. */
function detailOf(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim();
  const openssl = /:SSL routines:[^:]*:([^:]+)/.exec(line)?.[1];
  if (openssl !== undefined) return openssl;
  const denied = /Status \{ code: \w+, message: "([^"]*)"/.exec(line)?.[1];
  if (denied !== undefined) return denied;
  const rustls = /received fatal alert: \w+|Invalid(?:Certificate|Message)\(\w+|PrivateKeyParseError/.exec(
    line,
  )?.[0];
  if (rustls !== undefined)
    return rustls
      .replace(/^Invalid(\w+)\(/, 'invalid $1: ')
      .replace('PrivateKeyParseError', 'the private key');
  const inner = /Last error: (.*?)\.? Resolution note:/.exec(line)?.[1] ?? line;
  return inner
    .replace(/^(?:\d+ [A-Z_]+: |Connection error: |Failed to connect: |Error(?: \[\w+\])?: )+/, '')
    .replace(/[.\s]+$/, '');
}
