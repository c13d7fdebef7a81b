import { createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import { BridgeError } from '../../bridge/errors.js';
import type { HealthReport } from '../../bridge/observe/health.js';
import { ObservationServer, urlOf, type Served } from '../../bridge/observe/http-server.js';

const OK: HealthReport = { status: 'ok', checks: [{ name: 'loop', status: 'ok', reason: null, since: 1 }] };
const BAD: HealthReport = {
  status: 'failed',
  checks: [{ name: 'bridge', status: 'failed', reason: 'It starts', since: 1 }],
};

async function serving(served: Partial<Served> = {}, host = '127.0.0.1') {
  const server = new ObservationServer(
    { host, port: 0, outageGraceMs: 1 },
    {
      healthz: () => OK,
      readyz: () => BAD,
      metrics: async () => ({ text: 'ktb_ready 1\n', contentType: 'text/plain; version=0.0.4' }),
      ...served,
    },
  );
  const url = await server.listen();
  return { url, [Symbol.asyncDispose]: () => server.close() };
}

test('probes answer with 200 or 503 and say why, metrics in the scraper’s own type', async (t) => {
  await using it = await serving();
  const health = await fetch(`${it.url}/healthz`);
  t.deepEqual([health.status, await health.json()], [200, OK]);
  const ready = await fetch(`${it.url}/readyz?verbose`);
  t.deepEqual([ready.status, await ready.json()], [503, BAD]);
  t.is(ready.headers.get('cache-control'), 'no-store');
  const metrics = await fetch(`${it.url}/metrics`);
  t.deepEqual([metrics.status, await metrics.text()], [200, 'ktb_ready 1\n']);
  t.is(metrics.headers.get('content-type'), 'text/plain; version=0.0.4');
});

test('what is not there is 404, what only reads may be done is 405, and HEAD has no body', async (t) => {
  await using it = await serving();
  const nowhere = await fetch(`${it.url}/admin`);
  t.deepEqual([nowhere.status, await nowhere.text()], [404, 'Expected /healthz, /readyz or /metrics\n']);
  const posted = await fetch(`${it.url}/metrics`, { method: 'POST', body: 'x'.repeat(100_000) });
  t.deepEqual([posted.status, posted.headers.get('allow')], [405, 'GET, HEAD']);
  const head = await fetch(`${it.url}/readyz`, { method: 'HEAD' });
  t.deepEqual([head.status, await head.text()], [503, '']);
});

test('metrics that fail are a 500, and the server goes on', async (t) => {
  await using it = await serving({ metrics: () => Promise.reject(new Error('broken')) });
  t.is((await fetch(`${it.url}/metrics`)).status, 500);
  t.is((await fetch(`${it.url}/healthz`)).status, 200);
});

test('a port in use is one clear error', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const server = new ObservationServer({ host: '127.0.0.1', port, outageGraceMs: 1 }, {} as Served);
  const error = await t.throwsAsync(server.listen(), { instanceOf: BridgeError });
  t.is(error?.code, 'KTB_HTTP');
  t.is(error?.message, `Expected 127.0.0.1:${port} (\`http\`) to be free, got an address that is in use`);
  await t.notThrowsAsync(server.close());
  other.close();
});

test('a host that is not of this machine is one clear error', async (t) => {
  const server = new ObservationServer({ host: '192.0.2.1', port: 0, outageGraceMs: 1 }, {} as Served);
  const error = await t.throwsAsync(server.listen(), { instanceOf: BridgeError });
  t.regex(
    error!.message,
    /Expected 192\.0\.2\.1:0 \(`http`\) to be an address of this machine, got EADDRNOTAVAIL/,
  );
});

test('a close ends connections that are kept open', async (t) => {
  const it = await serving();
  await fetch(`${it.url}/healthz`);
  await it[Symbol.asyncDispose]();
  await it[Symbol.asyncDispose]();
  await t.throwsAsync(fetch(`${it.url}/healthz`));
});

test('an IPv6 host stands in brackets', (t) => {
  t.is(urlOf('::1', 9464), 'http://[::1]:9464');
  t.is(urlOf('127.0.0.1', 1), 'http://127.0.0.1:1');
});
