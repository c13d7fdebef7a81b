import test from 'ava';
import {
  brokerOf,
  closedWithoutReason,
  connectionFault,
  type ConnectionCause,
} from '../../bridge/connections/connection-fault.js';
import { TemporalFault } from '../../bridge/temporal/temporal-port.js';

/** As kafkajs wraps what its connection says, after its retries. */
function kafkajs(message: string, fields: object = {}, name = 'KafkaJSConnectionError'): Error {
  const inner = Object.assign(new Error(message), { name, ...fields });
  return Object.assign(new Error(message, { cause: inner }), { name: 'KafkaJSNumberOfRetriesExceeded' });
}

/** As @grpc/grpc-js gives what its sockets said. */
function grpc(details: string, code = 14): Error {
  return Object.assign(new Error(`${code} UNAVAILABLE: ${details}`), { code, details });
}

function lastError(error: string): Error {
  return grpc(`No connection established. Last error: ${error}. Resolution note: `);
}

/** As the worker's core writes what rustls, hyper and tonic said. */
function core(text: string): Error {
  return Object.assign(new Error(text), { name: 'TransportError' });
}

function rustls(reason: string): Error {
  return core(
    `tonic::transport::Error(Transport, ConnectError(Custom { kind: InvalidData, error: ${reason} }))`,
  );
}

function afterConnect(error: string): Error {
  return core(
    `Failed to call GetSystemInfo: code: 'Unknown error', message: "transport error", source: tonic::transport::Error(Transport, hyper::Error(Io, Custom { kind: InvalidData, error: "${error}" }))`,
  );
}

const openssl = (reason: string) =>
  `80CC28D09B7F0000:error:0A00045C:SSL routines:ssl3_read_bytes:${reason}:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 116\n`;

/** What each of the three clients said of real servers (Node 20, kafkajs 2.2.4, grpc-js 1.14, SDK 1.24.0). */
const seen: readonly (readonly [ConnectionCause, readonly Error[]])[] = [
  [
    'unknownAuthority',
    [
      kafkajs('Connection error: unable to verify the first certificate', {
        code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      }),
      kafkajs('Connection error: self-signed certificate in certificate chain', {
        code: 'SELF_SIGNED_CERT_IN_CHAIN',
      }),
      lastError('Error: unable to verify the first certificate'),
      rustls('InvalidCertificate(UnknownIssuer)'),
      new Error('UNABLE_TO_GET_ISSUER_CERT_LOCALLY'),
    ],
  ],
  [
    'otherHost',
    [
      kafkajs(
        "Connection error: Hostname/IP does not match certificate's altnames: IP: 127.0.0.1 is not in the cert's list: ",
        { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      ),
      lastError(
        "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: a. is not in the cert's altnames: DNS:b",
      ),
      rustls(
        'InvalidCertificate(NotValidForNameContext { expected: IpAddress(V4(Ipv4Addr([127, 0, 0, 1]))), presented: ["DnsName(\\"kafka.other\\")"] })',
      ),
      new Error('ERR_TLS_CERT_ALTNAME_INVALID'),
    ],
  ],
  [
    'expired',
    [
      kafkajs('Connection error: certificate has expired', { code: 'CERT_HAS_EXPIRED' }),
      lastError('Error: certificate has expired'),
      rustls('InvalidCertificate(Expired)'),
      rustls('InvalidCertificate(ExpiredContext { time: UnixTime(1), not_after: UnixTime(0) })'),
      new Error('CERT_HAS_EXPIRED'),
    ],
  ],
  [
    'notYetValid',
    [
      kafkajs('Connection error: certificate is not yet valid', { code: 'CERT_NOT_YET_VALID' }),
      rustls('InvalidCertificate(NotValidYetContext { time: UnixTime(0), not_before: UnixTime(1) })'),
    ],
  ],
  ['badCertificate', [rustls('InvalidCertificate(BadSignature)'), new Error('CERT_REVOKED')]],
  [
    'clientCertificate',
    [
      kafkajs(`Connection error: ${openssl('tlsv13 alert certificate required')}`, {
        code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      }),
      lastError(openssl('tlsv1 alert unknown ca')),
      lastError(openssl('sslv3 alert bad certificate')),
      afterConnect('received fatal alert: CertificateRequired'),
      afterConnect('received fatal alert: UnknownCA'),
    ],
  ],
  [
    'plaintextPort',
    [
      kafkajs(`Connection error: ${openssl('wrong version number')}`, {
        code: 'ERR_SSL_WRONG_VERSION_NUMBER',
      }),
      lastError(`Error: ${openssl('wrong version number')}`),
      rustls('InvalidMessage(InvalidContentType)'),
    ],
  ],
  [
    'unreadablePem',
    [
      kafkajs('Failed to connect: error:0480006C:PEM routines::no start line'),
      Object.assign(new Error('error:0480006C:PEM routines::no start line'), {
        code: 'ERR_OSSL_PEM_NO_START_LINE',
      }),
      core('tonic::transport::Error(Transport, PrivateKeyParseError)'),
    ],
  ],
  [
    'credentials',
    [
      kafkajs(
        'SASL SCRAM SHA512 authentication failed: Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512',
        {},
        'KafkaJSSASLAuthenticationError',
      ),
      kafkajs(
        'SASL PLAIN authentication failed: Authentication failed: Invalid username or password',
        {},
        'KafkaJSSASLAuthenticationError',
      ),
      grpc('Request unauthorized.', 7),
      grpc('invalid token', 16),
      new TemporalFault('systemic', 'Request unauthorized.', { status: 'PERMISSION_DENIED' }),
      core(
        'Namespace default was not found or otherwise could not be described: Status { code: Unauthenticated, message: "Request unauthorized.", source: None }',
      ),
      core(
        `Failed to call GetSystemInfo: code: 'The caller does not have permission to execute the specified operation', message: "Request unauthorized."`,
      ),
    ],
  ],
  [
    'mechanism',
    [
      kafkajs(
        'SASL SCRAM-SHA-256 mechanism is not supported by the server',
        {},
        'KafkaJSSASLAuthenticationError',
      ),
    ],
  ],
  ['noLogin', [kafkajs('Request is not valid given the current SASL state', { type: 'ILLEGAL_SASL_STATE' })]],
];

for (const [cause, errors] of seen) {
  test(`${cause} is told from what each client says of it`, (t) => {
    for (const error of errors) {
      t.is(connectionFault(error)?.cause, cause, error.message);
      t.is(
        connectionFault(new TemporalFault('systemic', error.message, { cause: error }))?.cause,
        cause,
        'as the cause of another',
      );
    }
  });
}

test('a server that is away, slow or busy refuses nothing', (t) => {
  for (const error of [
    kafkajs('Connection error: connect ECONNREFUSED 127.0.0.1:1', { code: 'ECONNREFUSED' }),
    kafkajs('Connection timeout'),
    kafkajs('Closed connection', {}, 'KafkaJSConnectionClosedError'),
    kafkajs(
      'SASL SCRAM SHA512 authentication failed: Closed connection',
      {},
      'KafkaJSSASLAuthenticationError',
    ),
    kafkajs(
      'SASL PLAIN authentication failed: Request SaslAuthenticate(key: 36, version: 1) timed out',
      {},
      'KafkaJSSASLAuthenticationError',
    ),
    new Error('Kafka has not answered within 4000 ms'),
    lastError('Error: connect ECONNREFUSED 127.0.0.1:1'),
    grpc('Deadline exceeded', 4),
    grpc('Namespace x is not found.', 5),
    core(
      'tonic::transport::Error(Transport, ConnectError(ConnectError("tcp connect error", 127.0.0.1:1, Os { code: 111, kind: ConnectionRefused, message: "Connection refused" })))',
    ),
    undefined,
    'text',
  ]) {
    t.is(connectionFault(error), undefined, String(error));
  }
});

test('words of an answer are not taken for those of a connection', (t) => {
  t.is(connectionFault(grpc('invalid input: "certificate has expired"', 3)), undefined);
  t.is(
    connectionFault(new TemporalFault('rejected', 'self-signed certificate', { status: 'INVALID_ARGUMENT' })),
    undefined,
  );
});

test('the detail is one line, without what gRPC and OpenSSL write around it', (t) => {
  t.is(connectionFault(lastError('Error: certificate has expired'))?.detail, 'certificate has expired');
  t.is(
    connectionFault(lastError(openssl('tlsv13 alert certificate required')))?.detail,
    'tlsv13 alert certificate required',
  );
  t.is(
    connectionFault(kafkajs('Connection error: unable to verify the first certificate'))?.detail,
    'unable to verify the first certificate',
  );
});

test('only a connection that was closed without a word is worth a probe', (t) => {
  for (const error of [
    kafkajs('Closed connection'),
    kafkajs(
      'Connection error: Client network socket disconnected before secure TLS connection was established',
      { code: 'ECONNRESET' },
    ),
    lastError('Failed to connect (2026-11-24T06:17:42.094Z)'),
    core('hyper::Error(Io, Custom { kind: BrokenPipe, error: "stream closed because of a broken pipe" })'),
  ]) {
    t.true(closedWithoutReason(error), error.message);
  }
  for (const error of [
    kafkajs('Connection error: connect ECONNREFUSED 127.0.0.1:1'),
    lastError('Error: getaddrinfo ENOTFOUND nowhere'),
    grpc('Deadline exceeded', 4),
    new Error('This server is not the leader for that topic-partition'),
  ]) {
    t.false(closedWithoutReason(error), error.message);
  }
});

test('the broker that an error is about is found in its chain', (t) => {
  t.is(brokerOf(kafkajs('Closed connection', { broker: 'kafka-2:9092' })), 'kafka-2:9092');
  t.is(brokerOf(new Error('away')), undefined);
});
