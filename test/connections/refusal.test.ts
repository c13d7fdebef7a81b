import test from 'ava';
import { awayReason, refusalOf, refusalWithoutAsking } from '../../bridge/connections/refusal.js';
import { kafkaService, temporalService } from '../../bridge/connections/service.js';

const kafka = kafkaService({
  brokers: ['127.0.0.1:1', '127.0.0.1:2'],
  ssl: true,
  sasl: { mechanism: 'plain', username: 'orders', password: 'canary' },
});
const temporal = temporalService({ address: '127.0.0.1:1', tls: undefined, apiKey: 'canary' });

const wrongPassword = Object.assign(
  new Error('SASL PLAIN authentication failed: Authentication failed: Invalid username or password'),
  { name: 'KafkaJSSASLAuthenticationError' },
);

test('a refusal names the server, the login without its secret, the cause and the option', async (t) => {
  const refusal = await refusalOf(wrongPassword, kafka);
  t.is(refusal?.code, 'KTB_KAFKA');
  t.is(
    refusal?.message,
    'Kafka at 127.0.0.1:1,127.0.0.1:2 refused the credentials (SASL PLAIN, user "orders"): SASL PLAIN authentication failed: Authentication failed: Invalid username or password. Check `kafka.sasl`',
  );
  t.is(refusal?.cause, wrongPassword);
  const denied = Object.assign(new Error('7 PERMISSION_DENIED: Request unauthorized.'), {
    code: 7,
    details: 'Request unauthorized.',
  });
  const unauthorized = await refusalOf(denied, temporal);
  t.is(unauthorized?.code, 'KTB_TEMPORAL');
  t.is(
    unauthorized?.message,
    'Temporal at 127.0.0.1:1 refused the credentials (an API key): Request unauthorized. Check `temporal.apiKey`',
  );
});

test('a certificate that a client distrusts is a refusal also where the server has gone before it could be asked', async (t) => {
  const error = Object.assign(new Error('Connection error: certificate has expired'), {
    broker: '127.0.0.1:1',
    code: 'CERT_HAS_EXPIRED',
  });
  t.is(
    (await refusalOf(error, kafka))?.message,
    "The certificate of Kafka at 127.0.0.1:1 is not trusted: it expired (certificate has expired). It has to be renewed at the server; or this machine's clock is wrong",
  );
});

test('a server that is away is no refusal, with a word on what else it may be', async (t) => {
  const cut = new Error(
    'Connection error: Client network socket disconnected before secure TLS connection was established',
  );
  t.is(await refusalOf(cut, kafka), undefined);
  t.regex(awayReason(cut, kafka), /\(a port without TLS does so, and `kafka\.ssl` is set\)$/);
  const closed = new Error('Closed connection');
  t.is(awayReason(closed, kafka), 'Closed connection');
  t.regex(
    awayReason(closed, kafkaService({ brokers: ['a:1'], ssl: undefined, sasl: undefined })),
    /\(a port that asks for credentials does so, and `kafka\.sasl` is not set\)$/,
  );
  t.is(await refusalOf(new Error('connect ECONNREFUSED 127.0.0.1:1'), kafka), undefined);
});

test('keys that cannot be read are told before anything is connected', (t) => {
  const refusal = refusalWithoutAsking(new Error('error:0480006C:PEM routines::no start line'), temporal);
  t.regex(refusal?.message ?? '', /^Expected `temporal\.tls` to hold certificates and keys in PEM/);
  t.is(refusalWithoutAsking(new Error('something else'), temporal), undefined);
});

test("TLS is what the clients' own options make of it", (t) => {
  const address = 'a:1';
  t.is(temporalService({ address, tls: undefined, apiKey: undefined }).tls, undefined);
  t.is(temporalService({ address, tls: false, apiKey: 'key' }).tls, undefined);
  t.deepEqual(temporalService({ address, tls: undefined, apiKey: 'key' }).tls, { ALPNProtocols: ['h2'] });
  t.deepEqual(temporalService({ address, tls: true, apiKey: undefined }).tls, { ALPNProtocols: ['h2'] });
  t.deepEqual(
    temporalService({
      address,
      tls: {
        serverNameOverride: 'name',
        serverRootCACertificate: Buffer.from('ca'),
        clientCertPair: { crt: Buffer.from('crt'), key: Buffer.from('key') },
      },
      apiKey: undefined,
    }).tls,
    {
      ALPNProtocols: ['h2'],
      servername: 'name',
      ca: Buffer.from('ca'),
      cert: Buffer.from('crt'),
      key: Buffer.from('key'),
    },
  );
  t.is(kafkaService({ brokers: ['a:1'], ssl: false, sasl: undefined }).tls, undefined);
  t.deepEqual(kafkaService({ brokers: ['a:1'], ssl: true, sasl: undefined }).tls, {});
});
