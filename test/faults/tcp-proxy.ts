import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ProxyConnection } from './tcp-connection.js';
import type { Exchange } from './wire.js';

export type Direction = 'request' | 'response';

export interface TcpProxyOptions {
  readonly target: { readonly host: string; readonly port: number };
  /** @default a free one; give one where a server must advertise it */
  readonly port?: number;
}

export interface StallOptions {
  /** @default 'both' */
  readonly direction?: 'both' | Direction;
}

export interface LostReplyOptions {
  /** Which bytes of the client are the request. The reply is then the next bytes of the server. @default any */
  readonly match?: (bytes: Buffer) => boolean;
  /** Knows the protocol, and so which reply belongs to which request: `kafkaExchange`, `grpcExchange`. Wins over `match`. */
  readonly exchange?: () => Exchange;
  /** How many replies get lost; then all passes again. @default 1 */
  readonly count?: number;
}

/** What went through since the proxy was started. */
export interface ProxyCounters {
  readonly accepted: number;
  readonly refused: number;
  /** Connections that `cut()` or a lost reply reset. */
  readonly cut: number;
  readonly lostReplies: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly swallowedBytes: number;
}

/** What a connection asks of its proxy at every chunk. */
export interface ProxyState {
  readonly target: { readonly host: string; readonly port: number };
  swallows(direction: Direction): boolean;
  readonly slices: { readonly bytes: number; readonly delayMs: number } | undefined;
  readonly lostReply: { readonly exchange: () => Exchange; left: number } | undefined;
  readonly counters: { -readonly [K in keyof ProxyCounters]: number };
  replyLost(): void;
}

/**
 * A proxy on loopback between a client and a real server, which can fail as networks do. One fault at a time: each
 * control replaces the one before; `pass()` ends it.
 */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** For clients: `127.0.0.1:<port>`. */
  readonly address: string;
  /** Connections open now. */
  readonly open: number;
  readonly counters: ProxyCounters;
  /**
   * Everything goes through. A connection of which bytes were swallowed stays dead, as one that a firewall has
   * forgotten: its stream has a hole. `cut()` resets such ones.
   */
  pass(): void;
  /** Resets (RST) all connections, once; new ones are treated as before. @returns how many */
  cut(): number;
  /** New connections are reset at once; open ones go on. */
  refuse(): void;
  /** Bytes and FINs are swallowed, connections stay open: half-open. New connections are accepted and swallowed too. */
  stall(options?: StallOptions): void;
  /** Requests reach the server and are carried out; then the connection is reset in place of the reply. */
  cutAfterForwarding(options?: LostReplyOptions): void;
  /** Both directions in pieces of `bytes`, `delayMs` apart. */
  slice(bytes: number, delayMs: number): void;
  close(): Promise<void>;
}

/**
 * Starts a {@link TcpProxy}. It reads no faster than the other side takes, so that it hides no back-pressure.
 * @throws the listen error, e.g. EADDRINUSE
 */
export async function startTcpProxy(options: TcpProxyOptions): Promise<TcpProxy> {
  // allowHalfOpen: a FIN is forwarded, not answered, so that both ways of a connection end on their own.
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const proxy = new Proxy(server, options.target);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: options.port ?? 0 }, resolve);
  });
  return proxy;
}

type Mode = 'pass' | 'refuse' | 'stall';

class Proxy implements TcpProxy, ProxyState {
  readonly target: { readonly host: string; readonly port: number };
  readonly counters = {
    accepted: 0,
    refused: 0,
    cut: 0,
    lostReplies: 0,
    requestBytes: 0,
    responseBytes: 0,
    swallowedBytes: 0,
  };
  slices: { readonly bytes: number; readonly delayMs: number } | undefined;
  lostReply: { readonly exchange: () => Exchange; left: number } | undefined;
  readonly #server: Server;
  readonly #connections = new Set<ProxyConnection>();
  #mode: Mode = 'pass';
  #stalled: 'both' | Direction = 'both';

  constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    this.target = target;
    server.on('connection', (socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get open(): number {
    return this.#connections.size;
  }

  pass(): void {
    this.#set('pass');
  }

  refuse(): void {
    this.#set('refuse');
  }

  stall(options: StallOptions = {}): void {
    this.#set('stall');
    this.#stalled = options.direction ?? 'both';
  }

  slice(bytes: number, delayMs: number): void {
    if (!(bytes >= 1)) throw new RangeError(`Expected \`bytes\` to be at least 1, got ${bytes}`);
    this.#set('pass');
    this.slices = { bytes, delayMs };
  }

  cutAfterForwarding(options: LostReplyOptions = {}): void {
    this.#set('pass');
    const match = options.match ?? ((): boolean => true);
    const exchange = options.exchange ?? ((): Exchange => ({ request: match, reply: () => true }));
    this.lostReply = { exchange, left: options.count ?? 1 };
  }

  cut(): number {
    const open = [...this.#connections];
    for (const connection of open) connection.reset();
    this.counters.cut += open.length;
    return open.length;
  }

  swallows(direction: Direction): boolean {
    return this.#mode === 'stall' && (this.#stalled === 'both' || this.#stalled === direction);
  }

  replyLost(): void {
    this.counters.lostReplies++;
    this.counters.cut++;
    if (this.lostReply !== undefined && --this.lostReply.left <= 0) this.lostReply = undefined;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.reset();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #set(mode: Mode): void {
    this.#mode = mode;
    this.slices = undefined;
    this.lostReply = undefined;
  }

  #accept(client: Socket): void {
    if (this.#mode === 'refuse') {
      this.counters.refused++;
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    this.counters.accepted++;
    const connection = new ProxyConnection(client, this, () => this.#connections.delete(connection));
    this.#connections.add(connection);
  }
}
