import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net';
import { createServer, type ConnectionOptions, type TlsOptions } from 'node:tls';
import test from 'ava';
import { probeTls, type ProbeFinding } from '../../bridge/connections/tls-probe.js';
import { Authority, EXPIRED } from '../helpers/certificates.js';

const authority = await Authority.create('ktb test');
const stranger = await Authority.create('a stranger');
const good = await authority.issue('server');
const trusted: ConnectionOptions = { ca: authority.cert };

/** @returns what the probe finds, and the bytes that the server got after the handshake */
async function probed(
  server: Server,
  tls: ConnectionOptions | undefined,
): Promise<ProbeFinding & { readonly got: string }> {
  let got = '';
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => (got += chunk.toString('hex')));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const found = await probeTls({ host: '127.0.0.1', port, tls });
  server.close();
  return { ...found, got };
}

const secure = (options: TlsOptions): Server => createServer(options).on('tlsClientError', () => undefined);

test('it tells an unknown authority, another host and an expired certificate, and shows the certificate', async (t) => {
  const unknown = await probed(secure(good), { ca: stranger.cert });
  t.is(unknown.fault?.cause, 'unknownAuthority');
  t.is(unknown.certificate?.issuer, 'ktb test');
  const other = await probed(secure(await authority.issue('server', { hosts: ['elsewhere.test'] })), trusted);
  t.is(other.fault?.cause, 'otherHost');
  t.is(other.certificate?.names, 'DNS:elsewhere.test');
  const expired = await probed(secure(await authority.issue('server', EXPIRED)), trusted);
  t.is(expired.fault?.cause, 'expired');
  t.is(
    expired.certificate?.validTo,
    new Date(Math.floor(EXPIRED.validUntil!.getTime() / 1000) * 1000).toISOString().replace('.000Z', 'Z'),
  );
});

test('it tells a client certificate that is missing, and one that is refused', async (t) => {
  const asking = { ...good, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  t.is((await probed(secure(asking), trusted)).fault?.cause, 'clientCertificate');
  const strange = { ...trusted, ...(await stranger.issue('client')) };
  t.is((await probed(secure(asking), strange)).fault?.cause, 'clientCertificate');
  const known = { ...trusted, ...(await authority.issue('client')) };
  t.is((await probed(secure(asking), known)).fault, undefined);
});

test('it tells a port with TLS from one without', async (t) => {
  t.is((await probed(secure(good), undefined)).fault?.cause, 'tlsPort');
  const answering = createPlainServer((socket) =>
    socket.on('error', () => undefined).end('HTTP/1.1 400 no\r\n\r\n'),
  );
  t.is((await probed(answering, trusted)).fault?.cause, 'plaintextPort');
  const silent = () => createPlainServer((socket) => socket.once('data', () => socket.destroy()));
  t.is((await probed(silent(), trusted)).fault, undefined, 'a closed connection may have many reasons');
  t.is((await probed(silent(), undefined)).fault, undefined);
});

test('it finds nothing at a server that takes us, that is not there, or whose certificate is not to be checked', async (t) => {
  t.is((await probed(secure(good), trusted)).fault, undefined);
  t.is((await probed(secure(good), { rejectUnauthorized: false })).fault, undefined);
  t.deepEqual(await probeTls({ host: '127.0.0.1', port: 1, tls: trusted }), {
    fault: undefined,
    certificate: undefined,
  });
});

test('it names keys that cannot be read', async (t) => {
  const { fault } = await probed(secure(good), { ...trusted, key: 'canary', cert: 'canary' });
  t.is(fault?.cause, 'unreadablePem');
  t.notRegex(fault?.detail ?? '', /canary/);
});

test('it sends nothing over the connections that it makes', async (t) => {
  for (const tls of [trusted, { ca: stranger.cert }, undefined])
    t.is((await probed(secure(good), tls)).got, '');
});
