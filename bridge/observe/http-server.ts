import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ResolvedConfig } from '../config/resolved.js';
import { BridgeError, messageOf } from '../errors.js';
import type { HealthReport } from './health.js';

/** What is served, asked anew at each request. */
export interface Served {
  readonly healthz: () => HealthReport;
  readonly readyz: () => HealthReport;
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>;
}

/** Probes and a scraper or two; more is a mistake of somebody's. */
const CONNECTIONS = 64;

/** `/healthz`, `/readyz` and `/metrics`. */
export class ObservationServer {
  readonly #at: NonNullable<ResolvedConfig['http']>;
  readonly #server: Server;

  constructor(at: NonNullable<ResolvedConfig['http']>, served: Served) {
    this.#at = at;
    this.#server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
      answer(request, response, served).catch(() => response.destroy());
    });
    this.#server.maxConnections = CONNECTIONS;
  }

  /** @returns where it is served @throws BridgeError `KTB_HTTP` */
  async listen(): Promise<string> {
    const { host, port } = this.#at;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(this.#at, error)));
      this.#server.listen(port, host, resolve);
    });
    this.#server.on('error', () => undefined);
    this.#server.unref();
    return urlOf(host, (this.#server.address() as AddressInfo).port);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

/** `http://127.0.0.1:9464`, also of a host that is an IPv6 address. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function answer(request: IncomingMessage, response: ServerResponse, served: Served): Promise<void> {
  request.resume();
  const path = (request.url ?? '/').split('?')[0];
  const send = (status: number, type: string, body: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  const say = (status: number, message: string, headers?: Record<string, string>) =>
    send(status, 'text/plain; charset=utf-8', `${message}\n`, headers);
  const report = (found: HealthReport) =>
    send(found.status === 'ok' ? 200 : 503, 'application/json', `${JSON.stringify(found)}\n`);
  if (path !== '/healthz' && path !== '/readyz' && path !== '/metrics')
    return say(404, 'Expected /healthz, /readyz or /metrics');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return say(405, 'Expected GET or HEAD', { allow: 'GET, HEAD' });
  if (path === '/healthz') return report(served.healthz());
  if (path === '/readyz') return report(served.readyz());
  try {
    const { text, contentType } = await served.metrics();
    send(200, contentType, text);
  } catch (error) {
    say(500, `The metrics could not be read: ${messageOf(error)}`);
  }
}

function cannotListen(
  { host, port }: NonNullable<ResolvedConfig['http']>,
  error: NodeJS.ErrnoException,
): BridgeError {
  const where = `${host}:${port} (\`http\`)`;
  const why =
    error.code === 'EADDRINUSE'
      ? `Expected ${where} to be free, got an address that is in use`
      : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
        ? `Expected ${where} to be an address of this machine, got ${error.code}`
        : error.code === 'EACCES'
          ? `Expected ${where} to be a port that this process may listen on, got ${error.code}`
          : `${where} can't be listened on: ${error.message}`;
  return new BridgeError('KTB_HTTP', why, { cause: error });
}
